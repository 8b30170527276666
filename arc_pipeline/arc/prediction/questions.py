"""What is asked of a trained model: prompts of test pairs under augmentation, and what their answers mean.

Knows nothing of models: a completion is a text with its log-probability, a candidate the grid that it decodes to.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.augmentation.recipes import Recipe, draw_augmentation
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import Grid, Task
from arc_pipeline.errors import UndecodableGrid

TEMPERATURES = (0.0, 0.1, 0.2, 0.5, 1.0)
DECODINGS = {f"t{temperature}": temperature for temperature in TEMPERATURES}
DECODED = "decoded"
ROWS_AT_A_TIME = 1024

PREDICTION_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("test_index", pa.int16()),
        ("candidate_index", pa.int32()),
        ("transform", pa.string()),
        ("colour_map", pa.list_(pa.int8())),
        ("demonstrations", pa.list_(pa.int16())),
        ("seed", pa.int64()),
        ("completion", pa.string()),
        ("grid", pa.list_(pa.list_(pa.int8()))),
        ("outcome", pa.string()),
        ("logprob", pa.float64()),
        ("n_tokens", pa.int32()),
        ("token_logprobs", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Question:
    """One prompt of one test pair. `seed` is the randomness of sampling its answer."""

    dataset: str
    task: Task
    test_index: int
    candidate_index: int
    recipe: Recipe
    seed: int

    def prompt(self, encoder: GridEncoder) -> str:
        """The text that the model is to continue."""
        return self.recipe.render(self._without_answer(), encoder).text

    def _without_answer(self) -> Task:
        """The task with the test output blanked: no prompt can leak it."""
        tests = tuple(replace(pair, output=((0,),)) for pair in self.task.test)
        return replace(self.task, test=tests)


@dataclass(frozen=True)
class Completion:
    """A model's answer: its text, the sum of its tokens' log-probabilities (natural logarithm), their number.

    The distribution is that of temperature 1 over the tokens that were allowed: a token without alternative counts 0.
    """

    text: str
    logprob: float
    n_tokens: int
    refusal: str | None = None
    token_logprobs: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)


def questions(experiment: Experiment, tasks: Mapping[str, Sequence[Task]]) -> Iterator[Question]:
    """All prompts of an experiment: each is a function of (seed, task, test pair, candidate index) alone."""
    for dataset in experiment.predict.datasets:
        for task in tasks[dataset]:
            for test_index in range(len(task.test)):
                for candidate_index in range(experiment.predict.predictions):
                    yield _question(experiment, dataset, task, test_index, candidate_index)


def _question(experiment: Experiment, dataset: str, task: Task, test_index: int, candidate_index: int) -> Question:
    seed = _seed(experiment.seed, task.task_id, test_index, candidate_index)
    rng = np.random.Generator(np.random.Philox(key=seed))
    augmentation = draw_augmentation(rng, experiment.augmentation)
    n_train = len(task.train)
    order = rng.permutation(n_train) if experiment.augmentation.demonstration_order else np.arange(n_train)
    shown = tuple(int(index) for index in order[: experiment.augmentation.max_demonstrations])
    recipe = Recipe(dataset, task.task_id, experiment.predict.prompt, augmentation, shown, n_train + test_index)
    return Question(dataset, task, test_index, candidate_index, recipe, seed)


def _seed(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def candidates_table(answered: Iterable[tuple[Question, Completion]], encoder: GridEncoder) -> pa.Table:
    """The table of predictions, built in parts: rows of Python objects take many times the memory of a table's."""
    rows = (candidate_row(*each, encoder) for each in answered)
    parts = iter(lambda: list(itertools.islice(rows, ROWS_AT_A_TIME)), [])
    empty = PREDICTION_SCHEMA.empty_table()
    return pa.concat_tables([empty, *(pa.Table.from_pylist(part, PREDICTION_SCHEMA) for part in parts)])


def candidate_row(question: Question, completion: Completion, encoder: GridEncoder) -> dict[str, Any]:
    """One row of the table of predictions; a completion that is no grid is kept, with the reason as its outcome."""
    grid, outcome = decode(completion, question.recipe.augmentation, encoder)
    return {
        "dataset": question.dataset,
        "task_id": question.task.task_id,
        "test_index": question.test_index,
        "candidate_index": question.candidate_index,
        "transform": question.recipe.augmentation.transform,
        "colour_map": list(question.recipe.augmentation.colour_map),
        "demonstrations": list(question.recipe.demonstrations),
        "seed": question.seed,
        "completion": completion.text,
        "grid": grid,
        "outcome": outcome,
        "logprob": completion.logprob,
        "n_tokens": completion.n_tokens,
        "token_logprobs": completion.token_logprobs.tolist(),
    }


def decode(completion: Completion, augmentation: Augmentation, encoder: GridEncoder) -> tuple[Grid | None, str]:
    """(grid with the augmentation undone, `decoded`), or (None, why it is no grid)."""
    if completion.refusal:
        return None, completion.refusal
    try:
        return augmentation.invert(encoder.decode(completion.text)), DECODED
    except UndecodableGrid as error:
        return None, str(error)
