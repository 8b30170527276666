"""Prompts: the text that a model completes with a grid. One code for training and prediction; knows no tokens.

`text` ends where the answer begins, so that the prompt of a prediction is the beginning of a training example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.uncounted import uncounted

uncounted("the hash of the tokens, which the table of examples has, covers how they are rendered", of=("checkpoint",))

SOLVE: Final = "output-from-examples-v1"
GENERATE: Final = "input-from-inputs-v0"

SOLVE_INSTRUCTION = "One rule turns every input into its output. Apply it to the last input."
GENERATE_INSTRUCTION = "All these inputs come from one source. Write one more."
INPUT = "\n\nInput:\n"
OUTPUT = "\n\nOutput:\n"


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt and its right answer.

    `outputs`: the character spans [begin, end) in `text` of the demonstrations' answers, in order.
    """

    text: str
    answer: str
    outputs: tuple[tuple[int, int], ...] = ()


def solve_prompt(demonstrations: Sequence[Pair], target: Pair, encoder: GridEncoder) -> Prompt:
    """Demonstrations, then the target's input; the answer is the target's output."""
    text, outputs = SOLVE_INSTRUCTION, []
    for pair in demonstrations:
        text += INPUT + encoder.encode(pair.input) + OUTPUT
        begin = len(text)
        text += encoder.encode(pair.output)
        outputs.append((begin, len(text)))
    text += INPUT + encoder.encode(target.input) + OUTPUT
    return Prompt(text, encoder.encode(target.output), tuple(outputs))


def generate_prompt(demonstrations: Sequence[Pair], target: Pair, encoder: GridEncoder) -> Prompt:
    """The demonstrations' inputs; the answer is the target's input: an input of the same distribution."""
    text, outputs = GENERATE_INSTRUCTION, []
    for pair in demonstrations:
        begin = len(text) + len(INPUT)
        text += INPUT + encoder.encode(pair.input)
        outputs.append((begin, len(text)))
    return Prompt(text + INPUT, encoder.encode(target.input), tuple(outputs))


PROMPTS: dict[str, Callable[[Sequence[Pair], Pair, GridEncoder], Prompt]] = {
    SOLVE: solve_prompt,
    GENERATE: generate_prompt,
}
