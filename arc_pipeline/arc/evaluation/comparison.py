"""Two experiments compared task by task: won, lost, and whether the difference could be chance.

Knows tables of metrics, one row a task; not where they come from.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arc_pipeline.arc.evaluation.bootstrap import TASK_KEY, paired_difference, winner
from arc_pipeline.arc.evaluation.metrics import (
    BY_NAME,
    RANKED_METRICS,
    SHOWN_METRICS,
    TASK_METRICS,
    metric_names,
    ranked_in,
)
from arc_pipeline.errors import Fault, FaultyInput

if TYPE_CHECKING:
    from pandas import DataFrame

NAMED_AT_MOST = 10
COMPARED = (*TASK_METRICS, *metric_names(RANKED_METRICS))
# what says whose metrics a row of tasks has
ROW_KEY = ["experiment", "decoding", "dataset"]
GAINED = tuple(name for name in SHOWN_METRICS if not BY_NAME[name].depends_on_n)


@dataclass(frozen=True)
class Comparison:
    """`b` against `a` over their common tasks: `won`, `lost` name those (`dataset/task_id`) where b is better, worse.

    `difference` is b - a of the means, `interval` its 95 % interval by the paired bootstrap; `n_a`, `n_b` are the
    candidates a test pair, `only_a`, `only_b` the numbers of tasks that were left out.
    """

    metric: str
    tasks: int
    only_a: int
    only_b: int
    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    difference: float
    interval: list[float]
    won: list[str]
    lost: list[str]

    def means(self) -> str:
        """Over how many tasks, and the mean of each."""
        return f"{self.metric} over {_tasks(self.tasks)}: {self.mean_a:.1%} -> {self.mean_b:.1%}"

    def gain(self) -> str:
        """The difference with its interval."""
        low, high = map(_points, self.interval)
        return f"difference: {_points(self.difference)} points, 95 % interval {low} to {high}"

    def reservations(self) -> Iterator[str]:
        """What makes the two hard to compare; nothing if nothing does."""
        if self.only_a or self.only_b:
            yield f"left out: {self.only_a} in the first only, {self.only_b} in the second only"
        if self.n_a != self.n_b:
            yield f"not alike: {self.n_a} candidates a test pair in the first, {self.n_b} in the second"

    def summary(self) -> list[str]:
        """The comparison as a person reads it, a few lines."""
        outcomes = [f"won: {_named(self.won)}", f"lost: {_named(self.lost)}"]
        return [self.means(), self.gain(), *outcomes, *self.reservations()]


def compare_tasks(a: "DataFrame", b: "DataFrame", metric: str = "vote_2", seed: int = 0) -> Comparison:
    """`b` against `a`, each with one row a task: `dataset`, `task_id`, `n` and metrics."""
    if metric not in COMPARED:
        raise ValueError(f"a metric is one of {', '.join(COMPARED)}, found {metric!r}")
    both = _common_tasks(a, b, metric)
    of_a, of_b = (both[TASK_KEY].assign(**{metric: both[f"{metric}_{side}"]}) for side in "ab")
    difference, low, high = paired_difference(of_b, of_a, metric, seed=seed)
    gains = (of_b[metric] - of_a[metric]) * BY_NAME[metric].direction
    names = both["dataset"] + "/" + both["task_id"]
    return Comparison(
        metric,
        tasks=len(both),
        only_a=len(a) - len(both),
        only_b=len(b) - len(both),
        n_a=int(both["n_a"].max()),
        n_b=int(both["n_b"].max()),
        mean_a=_mean(of_a[metric].to_list()),
        mean_b=_mean(of_b[metric].to_list()),
        difference=difference,
        interval=[low, high],
        won=names[gains > 0].to_list(),
        lost=names[gains < 0].to_list(),
    )


def _common_tasks(a: "DataFrame", b: "DataFrame", metric: str) -> "DataFrame":
    """Sorted, so that the order of the files has no say in the bootstrap's draws."""
    columns = [*TASK_KEY, "n", metric]
    both = a[columns].merge(b[columns], on=TASK_KEY, suffixes=("_a", "_b"))
    if both.empty:
        problem, sizes = "only experiments with tasks in common can be compared", f"{len(a)} and {len(b)} tasks"
        raise FaultyInput([Fault("per task metrics", "", problem, sizes)])
    return both.sort_values(TASK_KEY, ignore_index=True)


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def _named(tasks: Sequence[str]) -> str:
    more = [f"and {len(tasks) - NAMED_AT_MOST} more"] if len(tasks) > NAMED_AT_MOST else []
    return f"{_tasks(len(tasks))}{': ' if tasks else ''}{', '.join([*tasks[:NAMED_AT_MOST], *more])}"


def best_metrics(results: "DataFrame", per_task: "DataFrame", compete: Sequence[str]) -> list[list[str]]:
    """For each row of results the metrics in which it beats every other with the same values of `compete`, beyond
    chance.

    `per_task` has the metrics of each task behind the rows, by ROW_KEY. pass_n competes only at the same n.
    """
    best: list[list[str]] = [[] for _ in range(len(results))]
    rows = results.reset_index(drop=True)
    for metric in (*SHOWN_METRICS, *ranked_in(results)):
        of_tasks = per_task.pivot(index="task_id", columns=ROW_KEY, values=metric)
        competing = rows[rows[metric].notna()]
        for _, group in competing.groupby([*compete, *(["n"] if BY_NAME[metric].depends_on_n else [])]):
            values = of_tasks[[*group[ROW_KEY].itertuples(index=False, name=None)]].dropna(how="all")
            # rows over different tasks are not compared
            if not values.isna().to_numpy().any():
                of_rows = np.ascontiguousarray(values.to_numpy(dtype=np.float64).T) * BY_NAME[metric].direction
                if (first := winner(of_rows)) is not None:
                    best[group.index[first]].append(metric)
    return best


def gains_of_test_time_training(results: "DataFrame", per_task: "DataFrame") -> list[list[str]]:
    """For each row of test-time training that has its start beside it, in words, the difference in each metric over
    their common tasks with its 95 % interval (paired bootstrap); none for all other rows. `per_task` as above.
    """
    of_row = dict([*per_task.groupby(ROW_KEY)])
    return [
        [*_gains(key, json.loads(settings), of_row)] for *key, settings in results[[*ROW_KEY, "settings"]].to_numpy()
    ]


def _gains(key: Sequence[str], trained: dict[str, str], of_row: "dict[tuple[str, ...], DataFrame]") -> Iterator[str]:
    experiment, *place = key
    start = trained.get("initial_checkpoint", "")
    if not trained.get("test_time") or (start, *place) not in of_row:
        return
    for metric in GAINED:
        comparison = compare_tasks(of_row[start, *place], of_row[experiment, *place], metric)
        said = [comparison.means(), comparison.gain(), *comparison.reservations()]
        yield f"{experiment} against its start {start}: {'; '.join(said)}"


def gains_of_rankings(results: "DataFrame", per_task: "DataFrame") -> list[list[str]]:
    """For each row of results with scored candidates, in words, the difference of each other ranking's metric from
    vote_2 over the same tasks and candidates, with its 95 % interval (paired bootstrap). `per_task` as above."""
    of_row = dict([*per_task.groupby(ROW_KEY)])
    return [[*_gains_of_rankings(key, of_row)] for key in results[ROW_KEY].itertuples(index=False, name=None)]


def _gains_of_rankings(key: tuple[str, ...], of_row: "dict[tuple[str, ...], DataFrame]") -> Iterator[str]:
    if key not in of_row:
        return
    tasks = of_row[key]
    for metric in ranked_in(tasks.dropna(axis="columns")):
        before, after = (tasks[TASK_KEY].assign(solved=tasks[name]) for name in ("vote_2", metric))
        difference, low, high = paired_difference(after, before, "solved")
        interval = f"95 % interval {_points(low)} to {_points(high)}"
        yield f"{key[0]}: {metric} against vote_2: {_points(difference)} points, {interval}"
