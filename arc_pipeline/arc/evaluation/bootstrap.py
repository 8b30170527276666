"""Bootstrap over tasks: means with 95 % intervals, and paired differences. Knows nothing of what a metric means."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from arc_pipeline.errors import Fault, FaultyInput

if TYPE_CHECKING:
    from pandas import DataFrame

RESAMPLES = 1000
# with fewer, not even winning all of them is beyond chance at 5 % (sign test: 2 / 2 ** 5 > 0.05)
LEAST_TASKS = 6

TASK_KEY = ["dataset", "task_id"]

Floats: TypeAlias = npt.NDArray[np.float64]


def resampled(n_tasks: int, seed: int) -> Floats:
    """How often each task is drawn in each of the bootstrap's resamples, one row a resample."""
    drawn = np.random.default_rng(seed).multinomial(n_tasks, np.full(n_tasks, 1 / n_tasks), size=RESAMPLES)
    return drawn.astype(np.float64)


def mean_and_interval(weights: Floats, values: Floats, sizes: Floats) -> tuple[float, float, float]:
    """(mean, low, high) of the values, each weighted by the size of its task."""
    mean = float(values.sum() / sizes.sum())
    low, high = np.percentile((weights @ values) / (weights @ sizes), [2.5, 97.5])
    # where all tasks agree, rounding alone could leave the mean outside
    return mean, min(float(low), mean), max(float(high), mean)


def means_and_intervals(weights: Floats, values: Mapping[str, tuple[Floats, Floats]]) -> dict[str, Any]:
    """Of each metric's values and sizes of tasks the mean, by name, and under `intervals` its [low, high]."""
    bounds = {name: mean_and_interval(weights, *of_tasks) for name, of_tasks in values.items()}
    means = {name: mean for name, (mean, _, _) in bounds.items()}
    return {**means, "intervals": {name: [low, high] for name, (_, low, high) in bounds.items()}}


def winner(values: Floats, seed: int = 0) -> int | None:
    """The row whose mean is above that of every other: each paired difference has a 95 % interval above zero.

    `values` has one row a contender and one column a task. None where no row wins, or nothing can be said.
    """
    n_rows, n_tasks = values.shape
    if n_rows < 2 or n_tasks < LEAST_TASKS:
        return None
    best = int(values.mean(axis=1).argmax())
    gains = np.delete(values[best] - values, best, axis=0)
    lows = np.percentile(gains @ resampled(n_tasks, seed).T / n_tasks, 2.5, axis=1)
    return best if lows.min() > 0 else None


def paired_difference(a: "DataFrame", b: "DataFrame", metric: str, seed: int = 0) -> tuple[float, float, float]:
    """(a - b, low, high) of the metric's mean over tasks; both must have the same tasks, in any order."""
    if metric not in a:
        raise ValueError(f"a metric is one of the columns {', '.join(map(str, a.columns))}, found {metric!r}")
    of_a, of_b = (each.set_index(TASK_KEY)[metric] for each in (a, b))
    lonely = [f"{dataset}, task {task_id}" for dataset, task_id in of_a.index.symmetric_difference(of_b.index)]
    if lonely or a.empty:
        places = lonely or ["no tasks"]
        raise FaultyInput([Fault("per task metrics", place, "a paired comparison needs it twice") for place in places])
    differences = (of_a - of_b.reindex(of_a.index)).to_numpy(dtype=np.float64)
    return mean_and_interval(resampled(len(a), seed), differences, np.ones(len(a)))
