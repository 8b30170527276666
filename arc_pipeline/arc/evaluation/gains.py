"""What test-time training gained on the checkpoint that it began with. Knows rows of results, not where they are."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.evaluation.comparison import compare_tasks, words
from arc_pipeline.arc.evaluation.results import Row, tables_by_row

GAINED = ("accuracy", "correct_pixels", "correct_size", "vote_2")


def with_gains(rows: Sequence[Row], per_task: pa.Table) -> list[dict[str, Any]]:
    """The rows with `gains`: in words, for each row of test-time training that has its start beside it, the difference
    in each metric over their common tasks with its 95 % interval (paired bootstrap); empty for all other rows.

    `per_task` has the metrics of each task, with the columns `experiment` and `decoding`.
    """
    of_row = tables_by_row(per_task)
    return [{**row, "gains": _gains(row, of_row)} for row in rows]


def _gains(row: Row, of_row: Mapping[tuple[str, ...], pa.Table]) -> list[str]:
    trained, where = json.loads(row["settings"]), (row["decoding"], row["dataset"])
    start = trained.get("initial_checkpoint")
    if not trained.get("test_time") or (start, *where) not in of_row:
        return []
    begun, adapted = of_row[start, *where], of_row[row["experiment"], *where]
    return [_line(row["experiment"], start, compare_tasks(begun, adapted, metric)) for metric in GAINED]


def _line(experiment: str, start: str, comparison: Mapping[str, Any]) -> str:
    means, difference, *others = words(comparison)
    reservations = [each for each in others if each.startswith(("left out", "not alike"))]
    return "; ".join([f"{experiment} against its start {start}: {means}", difference, *reservations])
