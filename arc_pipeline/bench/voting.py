"""Votes and metrics of synthetic predictions of real sizes: the time that everything after the model takes."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.evaluation import metrics
from arc_pipeline.arc.evaluation.voting import attempts_table
from arc_pipeline.arc.prediction.candidates import DECODED, PREDICTION_SCHEMA
from arc_pipeline.arc.prediction.requests import TEMPERATURES
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.bench.training import row

# seconds
GOAL = 2.0
RIGHT = 0.2
MEAN_SIDE = 12


def voting_row(rows: int = 400, predictions: int = 32, seed: int = 0) -> dict[str, Any]:
    """Seconds for the votes and metrics of 400 test pairs x 32 candidates x 5 temperatures, against the goal."""
    tasks, table = synthetic_candidates(rows, predictions, seed)
    begin, busy = time.perf_counter(), time.process_time()
    for _ in TEMPERATURES:
        pairs = metrics.per_pair(table, attempts_table(table), {"synthetic": tasks}, predictions)
        metrics.aggregate(metrics.per_task(pairs), pairs)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    name = f"votes and metrics of {rows} x {predictions} x {len(TEMPERATURES)} candidates, against the goal"
    check = f"synthetic candidates of real sizes, a fifth of them right; {busy:.2f} s of processor time"
    return row(name, seconds, GOAL, GOAL / seconds, "s", check)


def synthetic_candidates(n_tasks: int, predictions: int, seed: int) -> tuple[list[Task], pa.Table]:
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
