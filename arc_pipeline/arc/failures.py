"""Failures: for every planned test pair, how far it got: the first reason of REASONS that holds.

Knows only predictions, attempts and true outputs; pictures of the grids are made in the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.metrics import answered_counts, planned_truths, wrong_cells
from arc_pipeline.arc.task import Grid, Task
from arc_pipeline.arc.voting import ATTEMPT_NAMES, PAIR_COLUMNS, RankedCandidate, ranked_by_pair

REASONS = ("no_prediction", "undecodable", "solved", "outvoted", "wrong_pixels", "wrong_size")
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


def failures_table(
    predictions: pa.Table, attempts: pa.Table, tasks_by_dataset: Mapping[str, Sequence[Task]]
) -> pa.Table:
    """One row for every planned test pair, solved ones too; see FAILURES_SCHEMA.

    `wrong_cells` belongs to `wrong_pixels`: those of the best-ranked candidate of the right size. `rank_of_truth` is
    null where no candidate is exact.
    """
    answered, ranked = answered_counts(predictions), ranked_by_pair(attempts)
    rows = [
        dict(zip(PAIR_COLUMNS, key, strict=True)) | _failure(ranked.get(key, []), truth, answered[key])
        for key, truth in planned_truths(tasks_by_dataset).items()
    ]
    return pa.Table.from_pylist(rows, schema=FAILURES_SCHEMA)


def _failure(ranked: Sequence[RankedCandidate], truth: Grid, answered: int) -> dict[str, Any]:
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
