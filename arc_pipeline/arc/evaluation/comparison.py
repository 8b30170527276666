"""Two experiments compared task by task: won, lost, and whether the difference could be chance.

Knows tables of metrics, one row a task; not where they come from.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.evaluation.bootstrap import paired_difference, winner
from arc_pipeline.arc.evaluation.metrics import TASK_METRICS
from arc_pipeline.errors import Fault, FaultyInput

SMALLER_IS_BETTER = {"unanswered"}
NAMED_AT_MOST = 10

TaskKey: TypeAlias = tuple[str, str]


def compare_tasks(per_task_a: pa.Table, per_task_b: pa.Table, metric: str = "vote_2", seed: int = 0) -> dict[str, Any]:
    """`b` against `a` over their common tasks: `won`, `lost` name those (`dataset/task_id`) where b is better, worse.

    `difference` is b - a of the means, `interval` its 95 % interval by the paired bootstrap; `n_a`, `n_b` are the
    candidates a test pair, `only_a`, `only_b` the numbers of tasks that were left out.
    """
    if metric not in TASK_METRICS:
        raise ValueError(f"a metric is one of {', '.join(TASK_METRICS)}, found {metric!r}")
    common = _common(per_task_a, per_task_b)
    a, b = _only(per_task_a, common), _only(per_task_b, common)
    difference, low, high = paired_difference(b, a, metric, seed=seed)
    sizes = {"tasks": len(common), "only_a": per_task_a.num_rows - len(common)}
    sizes |= {"only_b": per_task_b.num_rows - len(common), "n_a": _candidates(a), "n_b": _candidates(b)}
    means = {"mean_a": _mean(a, metric), "mean_b": _mean(b, metric), "difference": difference, "interval": [low, high]}
    return {"metric": metric, **sizes, **means, **_outcomes(a, b, metric)}


def best_of(per_task: Sequence[pa.Table], metric: str) -> int | None:
    """Which of several tables has the highest mean of a metric, beyond chance against each other one.

    None where none has, or where they are not over the same tasks.
    """
    ordered = [_only(table, {*_keys(table)}) for table in per_task]
    if any(_keys(table) != _keys(ordered[0]) for table in ordered):
        return None
    return winner(np.array([table.column(metric).to_numpy() for table in ordered], dtype=np.float64))


def _common(a: pa.Table, b: pa.Table) -> set[TaskKey]:
    if common := {*_keys(a)} & {*_keys(b)}:
        return common
    sizes = f"{a.num_rows} and {b.num_rows} tasks"
    raise FaultyInput([Fault("per task metrics", "", "only experiments with tasks in common can be compared", sizes)])


def _keys(per_task: pa.Table) -> list[TaskKey]:
    return list(zip(per_task.column("dataset").to_pylist(), per_task.column("task_id").to_pylist(), strict=True))


def _only(per_task: pa.Table, common: Set[TaskKey]) -> pa.Table:
    """The rows of these tasks, sorted, so that the order of the files has no say in the bootstrap's draws."""
    kept = per_task.filter(pa.array([key in common for key in _keys(per_task)], pa.bool_()))
    return kept.sort_by([("dataset", "ascending"), ("task_id", "ascending")])


def _candidates(per_task: pa.Table) -> int:
    return int(max(per_task.column("n").to_pylist()))


def _mean(per_task: pa.Table, metric: str) -> float:
    return float(sum(per_task.column(metric).to_pylist()) / per_task.num_rows)


def _outcomes(a: pa.Table, b: pa.Table, metric: str) -> dict[str, list[str]]:
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    values = zip(a.column(metric).to_pylist(), b.column(metric).to_pylist(), strict=True)
    gains = {f"{dataset}/{task}": sign * (y - x) for (dataset, task), (x, y) in zip(_keys(a), values, strict=True)}
    return {
        "won": [name for name, gain in gains.items() if gain > 0],
        "lost": [name for name, gain in gains.items() if gain < 0],
    }


def words(comparison: Mapping[str, Any]) -> list[str]:
    """The comparison as a person reads it, a few lines."""
    low, high = comparison["interval"]
    means = f"{comparison['mean_a']:.1%} -> {comparison['mean_b']:.1%}"
    interval = f"95 % interval {_points(low)} to {_points(high)}"
    return [
        f"{comparison['metric']} over {_tasks(comparison['tasks'])}: {means}",
        f"difference: {_points(comparison['difference'])} points, {interval}",
        *(f"{outcome}: {_named(comparison[outcome])}" for outcome in ("won", "lost")),
        *_reservations(comparison),
    ]


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def _named(tasks: Sequence[str]) -> str:
    more = [f"and {len(tasks) - NAMED_AT_MOST} more"] if len(tasks) > NAMED_AT_MOST else []
    return f"{_tasks(len(tasks))}{': ' if tasks else ''}{', '.join([*tasks[:NAMED_AT_MOST], *more])}"


def _reservations(comparison: Mapping[str, Any]) -> list[str]:
    lines = []
    if comparison["only_a"] or comparison["only_b"]:
        lines.append(f"left out: {comparison['only_a']} in the first only, {comparison['only_b']} in the second only")
    if comparison["n_a"] != comparison["n_b"]:
        lines.append(
            f"not alike: {comparison['n_a']} candidates a test pair in the first, {comparison['n_b']} in the second"
        )
    return lines
