"""Tables over experiments: in the store as Arrow, for people as DataFrames; their columns and order. Knows no screens.

In a notebook: `results_frame(Store(Path("data/store")))`, then `.pivot`, `.to_csv`, `.to_markdown`, `.to_latex`.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.comparison import best_metrics
from arc_pipeline.arc.evaluation.metrics import (
    BY_NAME,
    METRICS,
    SHOWN_METRICS,
    TEMPERATURE_METRICS,
    in_tables,
    metric_names,
    ranked_in,
)
from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import read_table
from arc_pipeline.store.trace import record_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

TABLES = {"models": "results_table", "temperatures": "temperature_table", "duration": "duration_table"}
# the table of metrics, one row a task, beside that of `metrics` and `experiment_summary`
PER_TASK = "metrics_per_task"
KEYS = ("experiment", "dataset", "decoding", "temperature")
SHOWN_COUNTS = ("planned", "answered", "decoded")
DETAILS = (*SHOWN_COUNTS, "tasks", "test_pairs", "intervals", "best", "trace")
TEMPERATURE_COLUMNS = [*KEYS, "n", *TEMPERATURE_METRICS, *DETAILS]
DURATION_COLUMNS = [
    *("experiment", "dataset", "model", "tuning", "rank", "max_steps", "settings", "n"),
    *(*SHOWN_METRICS, *DETAILS),
]
RESULT_FIELDS = (
    *(*KEYS, "n", *metric_names(in_tables(METRICS)), *SHOWN_COUNTS),
    *("tasks", "test_pairs", "intervals", "trace", "contamination"),
)
# the columns that what reads a table needs
NEEDED = {"models": (*RESULT_FIELDS, "best"), "temperatures": TEMPERATURE_COLUMNS, "duration": DURATION_COLUMNS}
# rows of a table compete for the best metrics where these have the same values
COMPETE = {
    "models": ("dataset", "decoding"),
    "temperatures": ("dataset", "experiment"),
    "duration": ("dataset",),
}
# how long was trained, and what only says how it is run, kept or evaluated
NOT_A_SETTING = frozenset(
    {
        *("max_steps", "predict", "expected_violations", "logging_steps", "eval_steps", "save_steps", "report_to"),
        *("processes", "micro_batch_size", "packing", "gradient_checkpointing", "validation"),
    }
)


def settings(config: Mapping[str, Any]) -> str:
    """What was trained and how, but not for how long, as JSON: experiments of one series have the same."""
    return json.dumps({name: config[name] for name in sorted(config.keys() - NOT_A_SETTING)})


def results_frame(store: Store, table: str = "models") -> "DataFrame":
    """One of TABLES as a DataFrame, see `frame_of`."""
    return frame_of(stored_results(store, table))


def stored_results(store: Store, table: str = "models", version: str = "") -> pa.Table:
    """One of TABLES as its asset has it, or had it at a version."""
    if table not in TABLES:
        raise ArcPipelineError(f"unknown table {table!r}{did_you_mean_or_all(table, TABLES)}")
    asset = TABLES[table]
    artefact = Artefact(asset)
    place = store.open(record_of(store, artefact, version)) if version else store.current(artefact)
    stored = read_table(place, asset)
    refuse_outdated(stored, asset, NEEDED[table])
    return stored


def marked(table: pa.Table, stale: Collection[str]) -> pa.Table:
    """The table with a column `stale`: whether the trace of a row is among the stale ones."""
    return table.append_column("stale", pa.array([trace in stale for trace in table["trace"].to_pylist()], pa.bool_()))


def with_ranked(columns: Sequence[str], table: pa.Table) -> list[str]:
    """Columns of tables of metrics, and those of RANKED_METRICS that a table has, after vote_2."""
    place = [*columns].index("vote_2") + 1
    return [*columns[:place], *ranked_in(table.column_names), *columns[place:]]


def refuse_outdated(
    table: pa.Table, what: str, needed: Sequence[str], to_do: str = "run: arc-pipeline refresh"
) -> None:
    """ArcPipelineError if a stored table lacks columns that were added since it was made."""
    if lacking := lacking_columns(table, needed):
        raise ArcPipelineError(f"{what} was made by an older version, without {', '.join(lacking)}; {to_do}")


def lacking_columns(table: pa.Table, needed: Sequence[str]) -> list[str]:
    """The needed columns that a stored table lacks; one without rows lacks none."""
    return [name for name in needed if name not in table.column_names] if table.num_rows else []


def frame_of(table: pa.Table) -> "DataFrame":
    """Rows of metrics, whose intervals become columns: the ends of that of `vote_2` are `vote_2_low`, `vote_2_high`."""
    import pandas as pd

    intervals = table["intervals"].to_pylist() if "intervals" in table.column_names else []
    columns: dict[str, Series[Any]] = {}
    for field in table.schema:
        if field.name == "intervals":
            continue
        column, is_list = table[field.name], pa.types.is_list(field.type)
        columns[field.name] = pd.Series(column.to_pylist(), dtype=object) if is_list else column.to_pandas()
        if intervals and field.name in intervals[0]:
            for place, end in enumerate(("low", "high")):
                ends = [bounds[field.name][place] if bounds[field.name] else None for bounds in intervals]
                columns[f"{field.name}_{end}"] = pd.Series(ends, dtype="float64")
    return pd.DataFrame(columns)


def with_best(table: pa.Table, per_task: "DataFrame", compete: Sequence[str]) -> pa.Table:
    """The rows with `best`: the metrics in which a row beats every other that it competes with, beyond chance."""
    best = best_metrics(frame_of(table), per_task, compete)
    return table.append_column("best", pa.array(best, pa.list_(pa.string())))


def greedy(results: "DataFrame") -> "DataFrame":
    """The rows at temperature 0, what experiments are compared at; at the lowest one where none has that."""
    if results.empty:
        return results
    temperatures = results["temperature"].astype(float)
    return results if temperatures.isna().all() else results[temperatures == temperatures.min()]


def greedy_by_duration(table: pa.Table) -> pa.Table:
    """The rows at temperature 0, by dataset, capacity and steps."""
    at_zero = table.filter(pc.equal(table["temperature"], 0))
    return at_zero.sort_by([(name, "ascending") for name in ("dataset", "tuning", "rank", "max_steps")])


def sorted_results(table: pa.Table, column: str) -> pa.Table:
    """By a column: counts, and metrics of which more is better, from the highest, everything else from the lowest; rows
    without a value last."""
    without_n = re.sub(r"_\d+$", "_n", column)
    column = without_n if without_n in BY_NAME else column
    fields = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    if column not in fields:
        raise ArcPipelineError(f"--sort: unknown column {column!r}{did_you_mean_or_all(column, fields)}")
    highest_first = column in SHOWN_COUNTS or (column in BY_NAME and BY_NAME[column].higher_is_better)
    return table.take(pc.sort_indices(table, [(column, "descending" if highest_first else "ascending")]))


def what_it_shows(results: "DataFrame", fixed: str, bug: str) -> str:
    """The demo's finding in one line: what the augmentation bug of the original study costs."""
    vote = results[results["temperature"] == 0].set_index("experiment")["vote_2"]
    return (
        f"At temperature 0, vote_2 is {vote[fixed]:.1%} where test pairs are trained on ({fixed}) and "
        f"{vote[bug]:.1%} where the bug keeps them out ({bug}): "
        f"the bug costs {100 * (vote[fixed] - vote[bug]):.0f} points, with nothing else changed."
    )
