"""Failures: for every planned test pair, how far it got: the first reason of REASONS that holds.

Knows only predictions, attempts and true outputs; pictures of the grids are made in the report.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.metric_tables import answered_counts, planned_truths
from arc_pipeline.arc.evaluation.metrics import wrong_cells
from arc_pipeline.arc.evaluation.selection import Scores
from arc_pipeline.arc.evaluation.voting import (
    ATTEMPT_NAMES,
    PAIR_COLUMNS,
    RANKINGS,
    VOTES,
    PairKey,
    RankedCandidate,
    pair_keys,
    ranked_by_pair,
    rankings_of,
)
from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.tasks.task import Grid, Task
from arc_pipeline.errors import ArcPipelineError

REASONS = ("no_prediction", "undecodable", "solved", "outvoted", "wrong_pixels", "wrong_size")
# how near to solved each reason is, for people
NEAREST_FIRST = ("solved", "outvoted", "wrong_pixels", "wrong_size", "undecodable", "no_prediction")
FAILURES_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("test_index", pa.int16()),
        ("reason", pa.string()),
        ("wrong_cells", pa.int32()),
        ("votes_of_top", pa.int32()),
        ("rank_of_truth", pa.int32()),
        ("n_decoded", pa.int32()),
    ]
)
SCORED_FIELDS = [
    ("score_rank_of_truth", pa.int32()),
    ("both_rank_of_truth", pa.int32()),
    ("top_score", pa.float64()),
    ("score_of_truth", pa.float64()),
    ("logprobs_of_truth", pa.list_(pa.float64())),
]


def failures_table(
    predictions: pa.Table,
    attempts: pa.Table,
    tasks_by_dataset: Mapping[str, Sequence[Task]],
    solution_scores: Scores | None = None,
) -> pa.Table:
    """One row for every planned test pair, solved ones too; see FAILURES_SCHEMA.

    `wrong_cells` belongs to `wrong_pixels`: those of the best-ranked candidate of the right size. `rank_of_truth` is
    null where no candidate is exact. Where candidates are scored there are SCORED_FIELDS too: scores are sums of
    log-probabilities over the views, `top_score` the highest of a candidate. What is too long for the model has none.
    """
    answered, ranked = answered_counts(predictions), ranked_by_pair(attempts)
    others = {name: ranked_by_pair(attempts, name) for name in rankings_of(attempts) if name != VOTES}
    top_scores = _top_scores(attempts) if others else {}
    rows = [
        dict(zip(PAIR_COLUMNS, key, strict=True))
        | failure(ranked.get(key, []), truth, answered[key])
        | {f"{name}_rank_of_truth": _rank_of(truth, by_pair.get(key, [])) for name, by_pair in others.items()}
        | {"top_score": top_scores.get(key)}
        | _of_truth(truth, (solution_scores or {}).get(key, {}))
        for key, truth in planned_truths(tasks_by_dataset).items()
    ]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([*FAILURES_SCHEMA, *SCORED_FIELDS]) if others else FAILURES_SCHEMA
    )


def _top_scores(attempts: pa.Table) -> dict[PairKey, float]:
    best = attempts.filter(pc.equal(attempts["score_rank"], 1))
    return {
        key: score for key, score in zip(pair_keys(best), best["score"].to_pylist(), strict=True) if score > -math.inf
    }


def _rank_of(truth: Grid, ranked: Sequence[RankedCandidate]) -> int | None:
    return next((place for place, one in enumerate(ranked, start=1) if one.grid == truth), None)


def _of_truth(truth: Grid, scores: Mapping[Grid, Sequence[float]]) -> dict[str, Any]:
    if truth not in scores or -math.inf in scores[truth]:
        return {}
    return {"score_of_truth": math.fsum(scores[truth]), "logprobs_of_truth": list(scores[truth])}


def loss_counts(table: pa.Table) -> dict[str, int]:
    """How many test pairs of a table of failures were lost in which way: `not_found`, no candidate is right, and of
    these `not_found_but_likelier`: the right output has a higher score than every candidate; `not_chosen`: found, but
    not among the attempts by votes, and of these `chosen_by_score` and `chosen_by_both`."""
    rows = table.filter(pc.field("reason") != "solved").to_pylist()
    missed, lost = ([row for row in rows if (row["rank_of_truth"] is None) is missing] for missing in (True, False))
    likelier = [row for row in missed if row.get("score_of_truth") is not None]
    counts = {
        "not_found": len(missed),
        "not_found_but_likelier": sum(row["score_of_truth"] > (row["top_score"] or -math.inf) for row in likelier),
        "not_chosen": len(lost),
    }
    ranks = {name: [row.get(f"{name}_rank_of_truth") for row in lost] for name in RANKINGS if name != VOTES}
    return counts | {
        f"chosen_by_{name}": sum(rank is not None and rank <= len(ATTEMPT_NAMES) for rank in of_rows)
        for name, of_rows in ranks.items()
    }


def failure(ranked: Sequence[RankedCandidate], truth: Grid, answered: int) -> dict[str, Any]:
    """How far one test pair got: the columns of FAILURES_SCHEMA from `reason` on."""
    wrong = [wrong_cells(one.grid, truth) for one in ranked]
    rank_of_truth = wrong.index(0) + 1 if 0 in wrong else None
    right_size = [cells for cells in wrong if cells is not None]
    reason = _reason(answered, wrong, rank_of_truth)
    return {
        "reason": reason,
        "wrong_cells": right_size[0] if reason == "wrong_pixels" else None,
        "votes_of_top": ranked[0].votes if ranked else 0,
        "rank_of_truth": rank_of_truth,
        "n_decoded": sum(one.votes for one in ranked),
    }


def _reason(answered: int, wrong: Sequence[int | None], rank_of_truth: int | None) -> str:
    if not answered:
        return "no_prediction"
    if not wrong:
        return "undecodable"
    if rank_of_truth is not None:
        return "solved" if rank_of_truth <= len(ATTEMPT_NAMES) else "outvoted"
    return "wrong_pixels" if any(cells is not None for cells in wrong) else "wrong_size"


def sorted_failures(table: pa.Table, column: str = "", reverse: bool = False) -> pa.Table:
    """By a column, rows without a value last, or the nearest to solved first; ArcPipelineError names the columns."""
    if column and column not in table.column_names:
        raise ArcPipelineError(f"failures: unknown column {column!r}{did_you_mean_or_all(column, table.column_names)}")
    direction = "descending" if reverse else "ascending"
    keys = pa.table({"by": table[column]}) if column else _distance_to_solved(table)
    return table.take(pc.sort_indices(keys, [(name, direction) for name in keys.column_names]))


def _distance_to_solved(table: pa.Table) -> pa.Table:
    """By the reason; with it by the fewest wrong cells or the best rank, then the most votes."""
    how_far = pc.coalesce(table["wrong_cells"], table["rank_of_truth"], pa.scalar(0, pa.int32()))
    reason = pc.index_in(table["reason"], pa.array(NEAREST_FIRST))
    return pa.table({"reason": reason, "how_far": how_far, "votes": pc.negate(table["votes_of_top"])})
