"""Metrics by what makes a task hard: the size of its grids and the number of its demonstrations. Knows no files.

A bin's mean is over its tasks; a task's is over those of its test pairs that are in the bin.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.evaluation.bootstrap import means_and_intervals, resampled
from arc_pipeline.arc.evaluation.voting import PairKey, pair_keys
from arc_pipeline.arc.tasks.solutions import known_outputs
from arc_pipeline.arc.tasks.task import Grid, Task, shape

BIN_METRICS = ("accuracy", "correct_size", "vote_2")
# the largest number of cells of each bin: squares of 3, 5, 10, 15, 20 and 30
MOST_CELLS = (9, 25, 100, 225, 400, 900)
MANY_DEMONSTRATIONS = 6

Bin = tuple[int, str]


def cells_bin(grid: Grid) -> Bin:
    """(order, name) of the bin of a grid's size, such as `10-25`."""
    rows, columns = shape(grid)
    place = next(place for place, most in enumerate(MOST_CELLS) if rows * columns <= most)
    return place, f"{MOST_CELLS[place - 1] + 1 if place else 1}-{MOST_CELLS[place]}"


def demonstrations_bin(task: Task) -> Bin:
    """(order, name) of the bin of the number of train pairs; many are one bin."""
    count = min(len(task.train), MANY_DEMONSTRATIONS)
    return count, f"{count} or more" if count == MANY_DEMONSTRATIONS else str(count)


GROUPINGS: dict[str, Callable[[Task, int], Bin]] = {
    "input_cells": lambda task, index: cells_bin(task.test[index].input),
    "output_cells": lambda task, index: cells_bin(task.test[index].output),
    "demonstrations": lambda task, index: demonstrations_bin(task),
}


def metrics_by_bin(
    per_pair: pa.Table, tasks_by_dataset: Mapping[str, Sequence[Task]], seed: int = 0
) -> list[dict[str, Any]]:
    """One row for each dataset, grouping and bin that has tasks: BIN_METRICS, `intervals`, `tasks` and `test_pairs`."""
    values = dict(
        zip(pair_keys(per_pair), zip(*(per_pair[name].to_pylist() for name in BIN_METRICS), strict=True), strict=True)
    )
    return [
        {"dataset": dataset, "grouping": grouping, **row}
        for dataset, tasks in tasks_by_dataset.items()
        for grouping, bin_of in GROUPINGS.items()
        for row in _bins(_pairs_by_bin(dataset, tasks, bin_of), values, seed)
    ]


def _pairs_by_bin(dataset: str, tasks: Sequence[Task], bin_of: Callable[[Task, int], Bin]) -> dict[Bin, list[PairKey]]:
    pairs: dict[Bin, list[PairKey]] = {}
    for task in tasks:
        for index, _ in known_outputs(task):
            pairs.setdefault(bin_of(task, index), []).append((dataset, task.task_id, index))
    return dict(sorted(pairs.items()))


def _bins(
    pairs_by_bin: Mapping[Bin, Sequence[PairKey]], values: Mapping[PairKey, Sequence[float]], seed: int
) -> Iterator[dict[str, Any]]:
    for (order, name), keys in pairs_by_bin.items():
        of_task: dict[str, list[Sequence[float]]] = {}
        for key in keys:
            of_task.setdefault(key[1], []).append(values[key])
        means = np.array([np.mean(of_pairs, axis=0) for of_pairs in of_task.values()])
        weights, ones = resampled(len(means), seed), np.ones(len(means))
        about = {"order": order, "bin": name, "tasks": len(means), "test_pairs": len(keys)}
        of_metrics = {metric: (means[:, i], ones) for i, metric in enumerate(BIN_METRICS)}
        yield about | means_and_intervals(weights, of_metrics)
