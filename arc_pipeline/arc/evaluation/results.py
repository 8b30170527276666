"""Tables over experiments: their rows, and which cells are best beyond chance. Knows rows of metrics, no files."""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from arc_pipeline.arc.evaluation.comparison import best_of
from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.errors import ArcPipelineError

Row: TypeAlias = Mapping[str, Any]

TABLES = {"models": "results_table", "temperatures": "temperature_table", "duration": "duration_table"}
# the table of metrics, one row a task, beside that of `metrics` and `experiment_summary`
PER_TASK = "metrics_per_task"
KEYS = ("experiment", "dataset", "decoding", "temperature")
SHOWN_METRICS = ("accuracy", "correct_pixels", "correct_size", "pass_n", "vote_2")
TEMPERATURE_METRICS = ("accuracy", "pass_n", "vote_2")
SHOWN_COUNTS = ("planned", "answered", "decoded")
KEPT = (*SHOWN_COUNTS, "tasks", "test_pairs", "intervals", "best", "trace")
TEMPERATURE_COLUMNS = [*KEYS, "n", *TEMPERATURE_METRICS, *KEPT]
DURATION_COLUMNS = [
    *("experiment", "dataset", "model", "tuning", "rank", "max_steps", "settings", "n"),
    *(*SHOWN_METRICS, *KEPT),
]
RESULT_FIELDS = (
    *KEYS,
    *("n", "accuracy", "correct_pixels", "correct_size", "unanswered", "pass_n", "vote_1", "vote_2", "task_score"),
    *("task_solved", "pair_score", "planned", "answered", "decoded", "tasks", "test_pairs", "intervals", "trace"),
    "contamination",
)
# how long was trained, and what only says how it is run, kept or asked
NOT_A_SETTING = frozenset(
    {
        *("max_steps", "predict", "expected_violations", "logging_steps", "eval_steps", "save_steps", "report_to"),
        *("processes", "micro_batch_size", "packing", "gradient_checkpointing", "validation"),
    }
)


def percent(share: float) -> str:
    """A share from 0 to 1 in a sentence."""
    return f"{100 * share:.1f}%"


def settings(config: Mapping[str, Any]) -> str:
    """What was trained and how, but not for how long, as JSON: experiments of one series have the same."""
    return json.dumps({name: config[name] for name in sorted(config.keys() - NOT_A_SETTING)})


def greedy_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows at temperature 0, what experiments are compared at; at the lowest one where none has that."""
    known = [row["temperature"] for row in rows if row["temperature"] is not None]
    return [row for row in rows if row["temperature"] == min(known, default=None)]


def duration_rows(rows: Sequence[Row]) -> list[Row]:
    """The greedy rows, by dataset, capacity and steps."""
    greedy = [row for row in rows if row["temperature"] == 0]
    return sorted(greedy, key=lambda row: (row["dataset"], row["tuning"], row["rank"], row["max_steps"]))


def same_dataset(row: Row) -> Hashable:
    """Rows of duration_table that compete."""
    return str(row["dataset"])


def same_decoding(row: Row) -> Hashable:
    """Rows of results_table that compete: one a model."""
    return row["dataset"], row["decoding"]


def same_experiment(row: Row) -> Hashable:
    """Rows of temperature_table that compete: one a temperature."""
    return row["dataset"], row["experiment"]


def with_best(rows: Sequence[Row], per_task: pa.Table, compete: Callable[[Row], Hashable]) -> list[dict[str, Any]]:
    """The rows with `best`: the metrics in which a row beats every other that it competes with, beyond chance.

    `per_task` has the metrics of each task, with the columns `experiment` and `decoding`. pass_n competes only where
    the number of candidates is the same.
    """
    marked: list[dict[str, Any]] = [{**row, "best": []} for row in rows]
    of_row = tables_by_row(per_task)
    for metric in SHOWN_METRICS:
        for group in _groups(marked, metric, compete):
            winner = best_of([of_row[_key(row)] for row in group], metric)
            if winner is not None:
                group[winner]["best"].append(metric)
    return marked


def _groups(
    rows: Sequence[dict[str, Any]], metric: str, compete: Callable[[Row], Hashable]
) -> list[list[dict[str, Any]]]:
    groups: dict[Hashable, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((compete(row), row["n"] if metric == "pass_n" else None), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _key(row: Row) -> tuple[str, ...]:
    return row["experiment"], row["decoding"], row["dataset"]


def tables_by_row(per_task: pa.Table) -> dict[tuple[str, ...], pa.Table]:
    """The metrics of the tasks behind each row, by its experiment, decoding and dataset."""
    names = ("experiment", "decoding", "dataset")
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(zip(*(per_task.column(name).to_pylist() for name in names), strict=True)):
        places.setdefault(key, []).append(place)
    return {key: per_task.take(found) for key, found in places.items()}


def as_table(rows: Sequence[Row], columns: Sequence[str] = ()) -> pa.Table:
    """The rows with these columns, or with all; `best` and `gains` are lists of texts also where there are none."""
    table = pa.Table.from_pylist(list(rows))
    for name in {"best", "gains"} & {*table.column_names}:
        texts = table.column(name).cast(pa.list_(pa.string()))
        table = table.set_column(table.column_names.index(name), name, texts)
    return table.select(list(columns) or table.column_names)


def sorted_rows(rows: Sequence[Row], column: str) -> list[Row]:
    """By a column: metrics and counts from the highest, everything else from the lowest, what has none last."""
    column = "pass_n" if re.fullmatch(r"pass_\d+", column) else column
    fields = [name for name in rows[0] if not isinstance(rows[0][name], list | dict)] if rows else [column]
    if column not in fields:
        raise ArcPipelineError(f"--sort {column!r} is no column{did_you_mean_or_all(column, fields)}")
    there = [row for row in rows if row[column] is not None]
    downwards = column in {*SHOWN_METRICS, *SHOWN_COUNTS, "vote_1", "task_score", "task_solved", "pair_score"}
    return sorted(there, key=lambda row: row[column], reverse=downwards) + [r for r in rows if r[column] is None]


def flat_row(row: Row) -> dict[str, Any]:
    """For a spreadsheet: each metric with `_low` and `_high` beside it; lists as words."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "intervals":
            continue
        flat[name] = " ".join(value) if isinstance(value, list) else value
        if name in row["intervals"]:
            flat[f"{name}_low"], flat[f"{name}_high"] = row["intervals"][name]
    return flat


def what_it_shows(rows: Sequence[Row], fixed: str, bug: str) -> str:
    """The demo's finding in one line: what the augmentation bug of the seed costs."""
    vote = {row["experiment"]: row["vote_2"] for row in rows if row["temperature"] == 0}
    return (
        f"At temperature 0, vote_2 is {percent(vote[fixed])} where test pairs are trained on ({fixed}) and "
        f"{percent(vote[bug])} where the bug keeps them out ({bug}): "
        f"the bug costs {100 * (vote[fixed] - vote[bug]):.0f} points, with nothing else changed."
    )
