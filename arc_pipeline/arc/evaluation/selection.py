"""Candidates ranked by their probabilities under views of the test pair, and by votes and probabilities together.

Works on stored candidates and log-probabilities: a new ranking costs no forward pass. Knows no models and no files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.evaluation.voting import (
    GRID_TYPE,
    PAIR_COLUMNS,
    PairKey,
    RankedCandidate,
    grids,
    pair_keys,
    pair_name,
    ranked_by_pair,
)
from arc_pipeline.arc.tasks.task import Grid
from arc_pipeline.errors import Fault, FaultyInput

SCORES_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("test_index", pa.int16()),
        ("grid", GRID_TYPE),
        ("logprobs", pa.list_(pa.float64())),
        ("n_tokens", pa.list_(pa.int32())),
        ("logprob_sum", pa.float64()),
        ("logprob_mean", pa.float64()),
        ("logprob_min", pa.float64()),
    ]
)
Scores = Mapping[PairKey, Mapping[Grid, Sequence[float]]]


def scores_table(scored: Iterator[tuple[PairKey, Grid, Sequence[float], Sequence[int]]]) -> pa.Table:
    """Of each test pair and distinct grid: log-probability and tokens under each view, in nats, and over the views
    their sum (product of experts), the logarithm of the mean probability, and the least; see SCORES_SCHEMA."""
    rows = [
        {
            **dict(zip(PAIR_COLUMNS, key, strict=True)),
            "grid": grid,
            "logprobs": list(logprobs),
            "n_tokens": list(n_tokens),
            "logprob_sum": math.fsum(logprobs),
            "logprob_mean": log_mean(logprobs),
            "logprob_min": min(logprobs),
        }
        for key, grid, logprobs, n_tokens in scored
    ]
    return pa.Table.from_pylist(rows, SCORES_SCHEMA)


def log_mean(logprobs: Sequence[float]) -> float:
    """The logarithm of the mean of probabilities that are given by theirs."""
    highest = max(logprobs)
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(each - highest) for each in logprobs) / len(logprobs))


def stored_scores(table: pa.Table) -> dict[PairKey, dict[Grid, list[float]]]:
    """The log-probabilities of a table of scores under each view, by test pair and grid."""
    scores: dict[PairKey, dict[Grid, list[float]]] = {}
    for key, grid, logprobs in zip(pair_keys(table), grids(table["grid"]), table["logprobs"].to_pylist(), strict=True):
        assert grid is not None
        scores.setdefault(key, {})[grid] = logprobs
    return scores


def scores_of_attempts(attempts: pa.Table) -> dict[PairKey, dict[Grid, list[float]]] | None:
    """The sums over the views that an attempts table has, in the form of `stored_scores`; None if it has none."""
    if "score" not in attempts.column_names:
        return None
    scores: dict[PairKey, dict[Grid, list[float]]] = {}
    for key, grid, score in zip(
        pair_keys(attempts), grids(attempts["grid"]), attempts["score"].to_pylist(), strict=True
    ):
        assert grid is not None
        scores.setdefault(key, {})[grid] = [score]
    return scores


def with_score_ranks(attempts: pa.Table, scores: Scores) -> pa.Table:
    """An attempts table with `score`, the sum of log-probabilities over the views, and the ranks `score_rank` by it and
    `both_rank` by log(votes) + the mean log-probability; equal ones keep the order of votes.

    FaultyInput names the grids that have no score.
    """
    added: dict[tuple[PairKey, Grid], tuple[float, int, int]] = {}
    faults = []
    for key, ranked in ranked_by_pair(attempts).items():
        known = scores.get(key, {})
        if missing := sum(one.grid not in known for one in ranked):
            problem = "every candidate has a score: materialize the scores again"
            faults.append(Fault("scores", pair_name(key), problem, f"{missing} of {len(ranked)} without"))
            continue
        added |= {(key, grid): ranks for grid, ranks in _ranks(ranked, known)}
    if faults:
        raise FaultyInput(faults)
    rows = [added[key, grid] for key, grid in zip(pair_keys(attempts), grids(attempts["grid"]), strict=True) if grid]
    columns: dict[str, Any] = {"score": pa.float64(), "score_rank": pa.int32(), "both_rank": pa.int32()}
    for place, (name, kind) in enumerate(columns.items()):
        attempts = attempts.append_column(name, pa.array([row[place] for row in rows], kind))
    return attempts


def _ranks(
    ranked: Sequence[RankedCandidate], scores: Mapping[Grid, Sequence[float]]
) -> Iterator[tuple[Grid, tuple[float, int, int]]]:
    """(grid, (score, score_rank, both_rank)) of the candidates of a test pair, which are in the order of votes."""
    sums = [math.fsum(scores[one.grid]) for one in ranked]
    both = [math.log(one.votes) + total / len(scores[one.grid]) for one, total in zip(ranked, sums, strict=True)]
    ranks = [_places(sums), _places(both)]
    for place, one in enumerate(ranked):
        yield one.grid, (sums[place], ranks[0][place], ranks[1][place])


def _places(values: Sequence[float]) -> list[int]:
    """The rank of each, from 1 for the highest; of equal ones the first is ahead."""
    order = np.argsort(-np.array(values), kind="stable")
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.arange(1, len(values) + 1)
    return [int(place) for place in places]
