"""Training examples as recipes: which task, augmentation, demonstrations and target; text only when rendered.

Example i is a function of (experiment, seed, i): any row can be drawn, and drawn again, without its predecessors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS, Augmentation, draw_colour_map, draw_transform
from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.rendering.prompt import PROMPTS, Prompt
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import ArcPipelineError

DEMONSTRATIONS_WITHOUT_TEST = 4
MAX_ATTEMPTS = 200

RECIPE_SCHEMA = pa.schema(
    [
        ("example", pa.int64()),
        ("attempt", pa.int32()),
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("prompt", pa.string()),
        ("transform", pa.string()),
        ("colour_map", pa.list_(pa.int8())),
        ("demonstrations", pa.list_(pa.int16())),
        ("target", pa.int16()),
        ("target_is_test", pa.bool_()),
        ("n_tokens", pa.int32()),
        ("token_hash", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Recipe:
    """One training example. Pairs are indices into `Task.pairs`, in the order in which they are shown."""

    dataset: str
    task_id: str
    prompt: str
    augmentation: Augmentation
    demonstrations: tuple[int, ...]
    target: int

    def render(self, task: Task, encoder: GridEncoder) -> Prompt:
        """The text of the example: a pure function of the recipe and its task."""
        shown = [self._augmented(task.pairs[index]) for index in self.demonstrations]
        return PROMPTS[self.prompt](shown, self._augmented(task.pairs[self.target]), encoder)

    def _augmented(self, pair: Pair) -> Pair:
        return Pair(self.augmentation.apply(pair.input), self.augmentation.apply(pair.output))

    def row(self, task: Task) -> dict[str, Any]:
        """Its own columns in the table of recipes."""
        return {
            "dataset": self.dataset,
            "task_id": self.task_id,
            "prompt": self.prompt,
            "transform": self.augmentation.transform,
            "colour_map": list(self.augmentation.colour_map),
            "demonstrations": list(self.demonstrations),
            "target": self.target,
            "target_is_test": task.is_test(self.target),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Recipe":
        """The recipe that `row` describes."""
        augmentation = Augmentation(row["transform"], tuple(row["colour_map"]))
        demonstrations = tuple(row["demonstrations"])
        return cls(row["dataset"], row["task_id"], row["prompt"], augmentation, demonstrations, row["target"])


def generator(seed: int, example: int, attempt: int = 0) -> np.random.Generator:
    """The randomness of one example: a counter-based generator (Philox), so that seeking costs nothing."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, attempt, example]))


class RecipeDrawer:
    """Draws recipes from the training data of an experiment."""

    def __init__(
        self,
        train: Sequence[TrainingData],
        tasks: Mapping[str, Sequence[Task]],
        config: AugmentationConfig,
        seed: int,
    ) -> None:
        self.config, self.seed = config, seed
        usable = {source.dataset: usable_tasks(tasks[source.dataset], config) for source in train}
        self._choices = [(source, task) for source in train for task in usable[source.dataset]]
        if not self._choices:
            names = ", ".join(source.dataset for source in train)
            raise ArcPipelineError(f"no task of {names} has the pairs that target: {config.target} needs")
        self._weights = np.cumsum([task_weight(source, len(usable[source.dataset])) for source, _ in self._choices])

    def draw(self, example: int, attempt: int = 0) -> tuple[Recipe, Task]:
        """The recipe of one example; `attempt` counts the draws that were too long before it."""
        rng = generator(self.seed, example, attempt)
        chosen = np.searchsorted(self._weights, rng.random() * self._weights[-1], side="right")
        source, task = self._choices[int(chosen)]
        demonstrations, target = choose_pairs(rng, task, self.config)
        augmentation = draw_augmentation(rng, self.config)
        return Recipe(source.dataset, task.task_id, source.prompt, augmentation, demonstrations, target), task


def usable_tasks(tasks: Sequence[Task], config: AugmentationConfig) -> list[Task]:
    """The tasks that have the pairs which the target rule needs."""
    return [task for task in tasks if _usable(task, config)]


def _usable(task: Task, config: AugmentationConfig) -> bool:
    if config.target == "test-only":
        return bool(task.train and task.test)
    return len(task.pairs) > 1


def task_weight(source: TrainingData, n_tasks: int) -> float:
    """The chance of one of the `n_tasks` usable tasks of a source, up to a factor that is the same for all sources."""
    return 1.0 if source.weight is None else source.weight / n_tasks


def draw_augmentation(rng: np.random.Generator, config: AugmentationConfig) -> Augmentation:
    """A geometric transform and a colour map, as far as the experiment has them."""
    transform = draw_transform(rng) if config.geometric else "identity"
    colours = draw_colour_map(rng, config.background_probability) if config.colours else IDENTITY_COLOURS
    return Augmentation(transform, colours)


def choose_pairs(rng: np.random.Generator, task: Task, config: AugmentationConfig) -> tuple[tuple[int, ...], int]:
    """(demonstrations, target) as indices into `task.pairs`, by the experiment's target rule."""
    limit = config.max_demonstrations or (len(task.train) if task.test else DEMONSTRATIONS_WITHOUT_TEST)
    shown, target = _TARGET_RULES[config.target if task.test else "any"](rng, task, limit)
    if config.demonstration_order:
        shown = [shown[int(index)] for index in rng.permutation(len(shown))]
    return tuple(shown[:limit]), target


def _any_pair(rng: np.random.Generator, task: Task, limit: int) -> tuple[list[int], int]:
    """All pairs shuffled: as many demonstrations as the task has, then the target; the rest is left out."""
    shuffled = [int(index) for index in rng.permutation(len(task.pairs))]
    n_shown = min(limit, len(task.train), len(task.pairs) - 1)
    return sorted(shuffled[:n_shown]), shuffled[n_shown]


def _test_pair(rng: np.random.Generator, task: Task, limit: int) -> tuple[list[int], int]:
    return list(range(len(task.train))), len(task.train) + int(rng.integers(len(task.test)))


def _legacy_swap(rng: np.random.Generator, task: Task, limit: int) -> tuple[list[int], int]:
    """The bug: a train and a test pair change places, so a test pair is always shown and never the target."""
    target, test = int(rng.integers(len(task.train))), len(task.train) + int(rng.integers(len(task.test)))
    return [test if index == target else index for index in range(len(task.train))], target


_TARGET_RULES: dict[str, Callable[[np.random.Generator, Task, int], tuple[list[int], int]]] = {
    "any": _any_pair,
    "test-only": _test_pair,
    "legacy-swap": _legacy_swap,
}


# the number of tokens of an example, and a hash of their ids
Measure = Callable[[Recipe, Task], tuple[int, int]]


class ExamplesTooLong(ArcPipelineError):
    """No draw of an example was short enough."""

    @classmethod
    def after(cls, row: Mapping[str, Any], max_seq_len: int) -> "ExamplesTooLong":
        """The error, given the row of the last draw."""
        return cls(
            f"example {row['example']}: {MAX_ATTEMPTS} draws in a row were longer than max_seq_len {max_seq_len} "
            f"(the last: task {row['task_id']}, {row['n_tokens']} tokens); raise max_seq_len or train on shorter tasks"
        )


def draw_examples(
    drawer: RecipeDrawer, n_examples: int, max_seq_len: int, measure: Measure, first: int = 0
) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Yields (accepted, row): every example once accepted, after each draw of it that was longer than `max_seq_len`.

    Examples are numbered from `first` on. ExamplesTooLong if none is accepted in many draws.
    """
    for example in range(first, first + n_examples):
        for attempt in range(MAX_ATTEMPTS):
            recipe, task = drawer.draw(example, attempt)
            length, token_hash = measure(recipe, task)
            row = {"example": example, "attempt": attempt, **recipe.row(task)}
            row |= {"n_tokens": length, "token_hash": token_hash}
            yield length <= max_seq_len, row
            if length <= max_seq_len:
                break
        else:
            raise ExamplesTooLong.after(row, max_seq_len)


def drawn_tasks(directory: Path) -> set[tuple[str, str]]:
    """The (dataset, task id) that are in the examples of an artefact `augmented_examples`."""
    return task_names(pq.read_table(directory / "augmented_examples.parquet", columns=["dataset", "task_id"]))


def task_names(recipes: pa.Table) -> set[tuple[str, str]]:
    """The (dataset, task id) that recipes are of."""
    rows = recipes.group_by(["dataset", "task_id"]).aggregate([]).to_pylist()
    return {(row["dataset"], row["task_id"]) for row in rows}


def recipes_by_task(recipes: pa.Table) -> dict[tuple[str, str], pa.Table]:
    """The recipes of each (dataset, task id), in the order of the table."""
    rows: dict[tuple[str, str], list[int]] = {}
    for row, name in enumerate(zip(recipes["dataset"].to_pylist(), recipes["task_id"].to_pylist(), strict=True)):
        rows.setdefault(name, []).append(row)
    return {name: recipes.take(of_task) for name, of_task in rows.items()}
