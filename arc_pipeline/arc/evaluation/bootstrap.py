"""Bootstrap over tasks: means with 95 % intervals, and paired differences. Knows nothing of what a metric means."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arc_pipeline.errors import Fault, FaultyInput

RESAMPLES = 1000
# with fewer, not even winning all of them is beyond chance at 5 % (sign test: 2 / 2 ** 5 > 0.05)
LEAST_TASKS = 6

Floats = npt.NDArray[np.float64]


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


def paired_difference(
    per_task_a: pa.Table, per_task_b: pa.Table, metric: str, seed: int = 0
) -> tuple[float, float, float]:
    """(a - b, low, high) of the metric's mean over tasks; both must have the same tasks."""
    a, b = _by_task(per_task_a, metric), _by_task(per_task_b, metric)
    if a.keys() != b.keys() or not a:
        lonely = [f"{dataset}, task {task_id}" for dataset, task_id in a.keys() ^ b.keys()] or ["no tasks"]
        raise FaultyInput([Fault("per task metrics", place, "a paired comparison needs it twice") for place in lonely])
    differences = np.array([a[key] - b[key] for key in a])
    return mean_and_interval(resampled(len(a), seed), differences, np.ones(len(a)))


def _by_task(per_task: pa.Table, metric: str) -> dict[tuple[str, str], float]:
    if metric not in per_task.column_names:
        raise ValueError(f"a metric is one of the columns {', '.join(per_task.column_names)}, found {metric!r}")
    keys = zip(per_task.column("dataset").to_pylist(), per_task.column("task_id").to_pylist(), strict=True)
    return dict(zip(keys, per_task.column(metric).to_pylist(), strict=True))
