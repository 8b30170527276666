"""The tables over all experiments, and what they show to a person. Their cells come from `experiment_summary`."""

from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.comparison import gains_of_rankings, gains_of_test_time_training
from arc_pipeline.arc.evaluation.results import (
    COMPETE,
    DURATION_COLUMNS,
    NEEDED,
    TEMPERATURE_COLUMNS,
    frame_of,
    greedy_by_duration,
    with_best,
    with_ranked,
)
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.evaluation import experiment_summary, stored_per_task
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import MOST_METADATA_ROWS, markdown_metadata
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.errors import MissingArtefact
from arc_pipeline.report.charts.curves import draw_capacity_and_duration
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.tables import SHEETS, markdown
from arc_pipeline.store.tables import stacked
from arc_pipeline.uncounted import uncounted

if TYPE_CHECKING:
    from pandas import DataFrame

Result = dg.MaterializeResult[None]


def summaries(making: Making) -> pa.Table:
    """The rows of all experiments that have any."""
    present = making.experiments_with("experiment_summary")
    if not present:
        raise MissingArtefact("there is no experiment_summary yet, materialize one first")
    tables = [making.table("experiment_summary", name) for name in present]
    return pa.concat_tables(tables, promote_options="default")


def tasks_of_summaries(making: Making) -> "DataFrame":
    """The metrics of every task of all experiments and decodings."""
    present = making.experiments_with("experiment_summary")
    tables = (stored_per_task(making, "experiment_summary", name) for name in present)
    named = (stacked("experiment", {name: table}) for name, table in zip(present, tables, strict=True))
    # only scored candidates have the metrics of other rankings
    frame: DataFrame = pa.concat_tables(named, promote_options="default").to_pandas()
    return frame


def without_rows(name: str) -> pa.Table:
    """A table over experiments of which none has metrics, since there are no solutions."""
    return pa.table({column: pa.array([], pa.string()) for column in NEEDED[name]})


@declare.asset(group="evaluation", deps=[experiment_summary])
def results_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """All experiments x datasets x decodings with all metrics, their intervals, counts and trace ids; for test-time
    training, what it gained on its start, and for other rankings than votes, what they gained."""
    with workspace.making(context) as making:
        rows = summaries(making)
        if not rows.num_rows:
            return making.save_tables({"results_table": without_rows("models")})
        tasks = tasks_of_summaries(making)
        table = with_best(rows, tasks, COMPETE["models"])
        both = (gains(frame_of(table), tasks) for gains in (gains_of_test_time_training, gains_of_rankings))
        gains = [[*of_training, *of_ranking] for of_training, of_ranking in zip(*both, strict=True)]
        table = table.append_column("gains", pa.array(gains, pa.list_(pa.string())))
        return making.save_tables({"results_table": table}, metadata=shown_table("models", table))


@declare.asset(group="evaluation", deps=[experiment_summary])
def temperature_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Does the temperature matter: accuracy, pass_n and vote_2 of each experiment at each temperature."""
    with workspace.making(context) as making:
        rows = summaries(making)
        if not rows.num_rows:
            return making.save_tables({"temperature_table": without_rows("temperatures")})
        table = with_best(rows, tasks_of_summaries(making), COMPETE["temperatures"])
        table = table.select(with_ranked(TEMPERATURE_COLUMNS, table))
        return making.save_tables({"temperature_table": table}, metadata=shown_table("temperatures", table))


@declare.asset(group="evaluation", deps=[experiment_summary])
def duration_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Does longer training or more capacity help: steps x tuning, greedy decoding."""
    with workspace.making(context) as making:
        rows = summaries(making)
        if not rows.num_rows:
            return making.save_tables({"duration_table": without_rows("duration")})
        table = with_best(greedy_by_duration(rows), tasks_of_summaries(making), COMPETE["duration"])
        table = table.select(with_ranked(DURATION_COLUMNS, table))
        return making.save_tables({"duration_table": table}, metadata=shown_table("duration", table))


@uncounted("metadata for people")
def shown_table(name: str, table: pa.Table) -> dict[str, dg.MetadataValue]:
    """The table as a person reads it, and what it shows as a figure."""
    results = frame_of(table)
    sheets = SHEETS[name](results)
    texts = {"with intervals": markdown(sheets)}
    if name == "duration" and (figures := draw_capacity_and_duration(results)):
        texts |= {"curves": markdown_images(figures, "metrics against the steps of whole trainings")}
    shown: dict[str, dg.MetadataValue] = {}
    for number, sheet in enumerate(sheets):
        # short: what Dagster's UI shows without a click, and where it fits
        kept = [k for k in range(len(sheet.columns) - sheet.details) if k != sheet.counts]
        rows = [dg.TableRecord({sheet.columns[k]: row[k].value for k in kept}) for row in sheet.rows]
        shown["table" if number == 0 else sheet.title] = dg.MetadataValue.table(rows[:MOST_METADATA_ROWS])
    return shown | markdown_metadata(texts)
