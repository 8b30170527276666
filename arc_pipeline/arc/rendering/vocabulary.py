"""The tokens of the embedded tiny model, which are fixed phrases of the prompts and characters; tasks' lengths in them.

The rule is plain text processing, so a task's length in tokens is known without a model.
"""

import re
from functools import cache
from string import printable

from arc_pipeline.arc.rendering import encoder, prompt
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.uncounted import uncounted

uncounted("the hash of the tokens, which the table of examples has, covers how they are rendered", of=("checkpoint",))

PHRASES = (
    prompt.SOLVE_INSTRUCTION,
    prompt.GENERATE_INSTRUCTION,
    prompt.INPUT,
    prompt.OUTPUT,
    encoder.CODE_BLOCK_OPENING,
    encoder.SHAPE_OPENING,
    encoder.CLOSING,
)
CHARACTERS = (*printable[:95], "\n")
PATTERN = "|".join(re.escape(phrase) for phrase in sorted(PHRASES, key=len, reverse=True)) + r"|[\s\S]"
# how long a task is, where `datasets.yaml` names the shortest ones
LENGTH_ENCODER = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(PATTERN)


def split(text: str) -> list[str]:
    """The tokens of a text, which joined give the text again."""
    return _pattern().findall(text)


def task_length(task: Task) -> int:
    """Tokens of the task as one example: all train pairs as demonstrations, the longest pair as the target."""
    grids = encoder.parse_encoder(LENGTH_ENCODER)
    targets = [pair for pair in task.test if pair.output] or task.train[-1:]
    prompts = (prompt.solve_prompt(task.train, target, grids) for target in targets)
    return max(len(split(rendered.text)) + len(split(rendered.answer)) + 1 for rendered in prompts)
