"""A few prompts with their right answers and their completions, to read. Knows tables of predictions, no models."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.tasks.solutions import NO_SOLUTIONS, blanked
from arc_pipeline.arc.tasks.task import Task

# the three easy tasks that the author of the original study looked at
SAMPLE_TASKS = ("1cf80156", "0b148d64", "1f85a75f")


def sample_tasks(tasks: Sequence[Task]) -> list[Task]:
    """The named tasks where the dataset has them, else its first ones."""
    named = [task for task in tasks if task.task_id in SAMPLE_TASKS]
    return named or list(tasks[: len(SAMPLE_TASKS)])


def prompt_samples_table(
    tasks_by_dataset: Mapping[str, Sequence[Task]],
    predictions: Mapping[str, pa.Table],
    prompt: str,
    encoder: GridEncoder,
) -> pa.Table:
    """The first candidate of each test pair of the sampled tasks, for each decoding."""
    chosen = {(name, task.task_id): task for name, tasks in tasks_by_dataset.items() for task in sample_tasks(tasks)}
    rows = [
        _sample(decoding, row, chosen[row["dataset"], row["task_id"]], prompt, encoder)
        for decoding, table in predictions.items()
        for row in table.to_pylist()
        if row["candidate_index"] == 0 and (row["dataset"], row["task_id"]) in chosen
    ]
    return pa.Table.from_pylist(rows)


def _sample(decoding: str, row: Mapping[str, Any], task: Task, prompt: str, encoder: GridEncoder) -> dict[str, Any]:
    recipe = Recipe.from_row({**row, "prompt": prompt, "target": len(task.train) + row["test_index"]})
    known = task.test[row["test_index"]].output
    rendered = recipe.render(task if known else blanked(task), encoder)
    truth = rendered.answer if known else NO_SOLUTIONS
    copied = {name: row[name] for name in ("dataset", "task_id", "test_index", "completion", "outcome")}
    return {"decoding": decoding, **copied, "prompt": rendered.text, "truth": truth}
