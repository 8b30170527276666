"""Metrics against the number of predictions: what fewer candidates of the same test pairs would have given.

accuracy and pass_n are the exact means over all subsets of the candidates, vote_2, and score_2 of scored candidates,
the mean over some of them, drawn by a seed. Knows nothing of experiments, temperatures or files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arc_pipeline.arc.evaluation.bootstrap import Floats, means_and_intervals, resampled
from arc_pipeline.arc.evaluation.metric_tables import planned_truths
from arc_pipeline.arc.evaluation.selection import Scores
from arc_pipeline.arc.evaluation.voting import ATTEMPT_NAMES, Candidate, candidates_by_pair
from arc_pipeline.arc.tasks.task import Grid, Task

CURVE_METRICS = ("accuracy", "pass_n", "vote_2")
SUBSETS = 100
# tokens' log-probabilities that are equal stay so in whatever order they are added
DIGITS = 9

Ints = npt.NDArray[np.int64]


def subset_sizes(planned: int) -> list[int]:
    """The numbers of candidates looked at: powers of two below what was planned, and that."""
    return [size for size in (2**power for power in range(planned.bit_length())) if size < planned] + [planned]


def by_predictions(
    predictions: pa.Table,
    tasks_by_dataset: Mapping[str, Sequence[Task]],
    planned: int,
    scores: Scores | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """One row a dataset and number `n` of candidates: CURVE_METRICS, with scores also score_2, `intervals` of 95 %, and
    `tasks`."""
    candidates, truths = candidates_by_pair(predictions), planned_truths(tasks_by_dataset)
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(planned), (SUBSETS, 1)), axis=1)
    of_task: dict[tuple[str, str], list[Floats]] = {}
    for key, truth in truths.items():
        known = None if scores is None else scores.get(key, {})
        of_task.setdefault(key[:2], []).append(pair_curve(candidates.get(key, []), truth, orders, known))
    means = {key: np.mean(curves, axis=0) for key, curves in of_task.items()}
    return [row for dataset in tasks_by_dataset for row in _rows(dataset, means, planned, seed)]


def _rows(dataset: str, means: Mapping[tuple[str, str], Floats], planned: int, seed: int) -> Iterator[dict[str, Any]]:
    values = np.array([curve for (of, _), curve in means.items() if of == dataset])
    if not len(values):
        return
    weights, ones = resampled(len(values), seed), np.ones(len(values))
    for place, size in enumerate(subset_sizes(planned)):
        names = [*CURVE_METRICS, "score_2"][: values.shape[2]]
        of_metrics = {name: (values[:, place, i], ones) for i, name in enumerate(names)}
        yield {"dataset": dataset, "n": size, "tasks": len(values)} | means_and_intervals(weights, of_metrics)


def pair_curve(
    candidates: Sequence[Candidate], truth: Grid, orders: Ints, scores: Mapping[Grid, Sequence[float]] | None = None
) -> Floats:
    """CURVE_METRICS of one test pair, a row a subset size; `orders` has one order of all planned candidates a row.

    `scores`: of each grid its log-probability under each view; with them, score_2 is one more column.
    """
    planned = orders.shape[1]
    right = sum(candidate.grid == truth for candidate in candidates)
    passed = [expected_pass_n(right, planned, size) for size in subset_sizes(planned)]
    columns = [[right / planned] * len(passed), passed, vote_shares(candidates, truth, orders) if right else None]
    if scores is not None:
        columns.append(score_shares(candidates, truth, orders, scores) if right else None)
    return np.array([column or [0.0] * len(passed) for column in columns]).T


def score_shares(
    candidates: Sequence[Candidate], truth: Grid, orders: Ints, scores: Mapping[Grid, Sequence[float]]
) -> list[float]:
    """For each subset size in how many orders the truth is among the first so many candidates, and among the two
    likeliest of these."""
    sums = {grid: math.fsum(logprobs) for grid, logprobs in scores.items()}
    likelier = {grid for grid, total in sums.items() if total > sums[truth]}
    grids = [truth, *likelier]
    planned = orders.shape[1]
    is_grid = np.zeros((planned, len(grids)), dtype=bool)
    for place, candidate in enumerate(sorted(candidates, key=lambda one: one.candidate_index)):
        if candidate.grid in grids:
            is_grid[place, grids.index(candidate.grid)] = True
    last = np.array(subset_sizes(planned)) - 1
    found = np.array([np.logical_or.accumulate(is_grid[order], axis=0)[last] for order in orders])
    won = found[:, :, 0] & (found[:, :, 1:].sum(axis=2) < len(ATTEMPT_NAMES))
    return [float(share) for share in won.mean(axis=0)]


def expected_pass_n(right: int, planned: int, size: int) -> float:
    """The share of subsets of this size, of `planned` candidates, that have one of the `right` ones."""
    return 1 - math.comb(planned - right, size) / math.comb(planned, size)


def vote_shares(candidates: Sequence[Candidate], truth: Grid, orders: Ints) -> list[float]:
    """For each subset size in how many orders the first so many candidates vote for the truth, as `rank` does."""
    grids = [truth, *dict.fromkeys(one.grid for one in candidates if one.grid not in (None, truth))]
    planned = orders.shape[1]
    votes_for = np.zeros((planned, len(grids)), dtype=bool)
    logprob = np.zeros(planned)
    for place, candidate in enumerate(sorted(candidates, key=lambda one: one.candidate_index)):
        if candidate.grid is not None:
            votes_for[place, grids.index(candidate.grid)] = True
            logprob[place] = candidate.logprob_per_token
    won = np.array([_won(votes_for[order], logprob[order], order) for order in orders])
    return [float(share) for share in won.mean(axis=0)]


def _won(votes_for: npt.NDArray[np.bool_], logprob: Floats, order: Ints) -> npt.NDArray[np.bool_]:
    """Whether the first grid is among those that are submitted, after so many candidates in this order."""
    last = np.array(subset_sizes(len(order))) - 1
    votes = votes_for.cumsum(axis=0)[last]
    sums = np.where(votes_for, logprob[:, None], 0.0).cumsum(axis=0)[last]
    first = np.minimum.accumulate(np.where(votes_for, order[:, None], len(order)), axis=0)[last]
    means = np.full(sums.shape, -np.inf)
    np.divide(sums, votes, out=means, where=votes > 0)
    means = means.round(DIGITS)
    likelier = (means > means[:, :1]) | ((means == means[:, :1]) & (first < first[:, :1]))
    ahead = (votes > votes[:, :1]) | ((votes == votes[:, :1]) & likelier)
    won: npt.NDArray[np.bool_] = (votes[:, 0] > 0) & (ahead.sum(axis=1) < len(ATTEMPT_NAMES))
    return won
