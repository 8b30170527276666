"""Synthetic tables of predictions of real sizes, for measurements of what comes after the model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.prediction.questions import DECODED, PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

RIGHT = 0.2
MEAN_SIDE = 12


def synthetic(n_tasks: int, predictions: int, seed: int) -> tuple[list[Task], pa.Table]:
    """Tasks with a test pair each, and candidates: right ones, wrong ones that agree, and ones with random cells."""
    rng = np.random.default_rng(seed)
    tasks = [_task(rng, number) for number in range(n_tasks)]
    rows = [row for task in tasks for row in _candidates(rng, task, predictions)]
    return tasks, pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def _task(rng: np.random.Generator, number: int) -> Task:
    rows, columns = (int(side) for side in rng.integers(1, 2 * MEAN_SIDE, size=2))
    grid = _grid(rng.integers(0, 10, size=(rows, columns)))
    return Task(f"task_{number}", (Pair(grid, grid),), (Pair(grid, grid),))


def _grid(cells: Any) -> Grid:
    return tuple(map(tuple, cells.tolist()))


def _candidates(rng: np.random.Generator, task: Task, predictions: int) -> Iterator[dict[str, Any]]:
    truth = np.array(task.test[0].output)
    for index in range(predictions):
        cells = truth.copy()
        if rng.random() > RIGHT:
            cells[0, 0] = (cells[0, 0] + 1 + rng.integers(0, 3)) % 10
            if rng.random() < 0.5:
                cells[rng.random(cells.shape) < 0.1] = rng.integers(0, 10)
        yield {
            "dataset": "synthetic",
            "task_id": task.task_id,
            "test_index": 0,
            "candidate_index": index,
            "grid": _grid(cells),
            "outcome": DECODED,
            "logprob": -float(rng.random()),
            "n_tokens": truth.size + 10,
        }
