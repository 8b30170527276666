"""The tables over all experiments, and what they show to a person. Their cells come from `experiment_summary`."""

from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.gains import with_gains
from arc_pipeline.arc.evaluation.results import (
    DURATION_COLUMNS,
    PER_TASK,
    TEMPERATURE_COLUMNS,
    as_table,
    duration_rows,
    same_dataset,
    same_decoding,
    same_experiment,
    with_best,
)
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.evaluation import experiment_summary
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import markdown_metadata
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.errors import MissingArtefact
from arc_pipeline.report.charts.curves import draw_capacity_and_duration
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.tables import SHEETS, markdown
from arc_pipeline.store.tables import stacked
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]


def all_rows(making: Making) -> list[dict[str, Any]]:
    """The rows of all experiments that have any."""
    present = making.experiments_with("experiment_summary")
    if not present:
        raise MissingArtefact("there is no experiment_summary yet, materialize one first")
    return [row for name in present for row in making.table("experiment_summary", name).to_pylist()]


def per_task(making: Making) -> pa.Table:
    """The metrics of every task of all experiments and decodings."""
    present = making.experiments_with("experiment_summary")
    return stacked("experiment", {name: making.table("experiment_summary", name, PER_TASK) for name in present})


@declare.asset(group="evaluation", deps=[experiment_summary])
def results_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """All experiments x datasets x decodings with all metrics, their intervals, counts and trace ids; for test-time
    training, what it gained on its start."""
    with workspace.making(context) as making:
        tasks = per_task(making)
        table = as_table(with_gains(with_best(all_rows(making), tasks, same_decoding), tasks))
        return making.save_tables({"results_table": table}, metadata=describe("models", table))


@declare.asset(group="evaluation", deps=[experiment_summary])
def temperature_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Does the temperature matter: accuracy, pass_n and vote_2 of each experiment at each temperature."""
    with workspace.making(context) as making:
        table = as_table(with_best(all_rows(making), per_task(making), same_experiment), TEMPERATURE_COLUMNS)
        return making.save_tables({"temperature_table": table}, metadata=describe("temperatures", table))


@declare.asset(group="evaluation", deps=[experiment_summary])
def duration_table(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Does longer training or more capacity help: steps x tuning, greedy decoding."""
    with workspace.making(context) as making:
        rows = duration_rows(all_rows(making))
        table = as_table(with_best(rows, per_task(making), same_dataset), DURATION_COLUMNS)
        return making.save_tables({"duration_table": table}, metadata=describe("duration", table))


@uncounted("metadata for people")
def describe(name: str, table: pa.Table) -> dict[str, dg.MetadataValue]:
    """The table as a person reads it, and what it shows as a figure."""
    rows = table.to_pylist()
    shown = {"table": markdown(SHEETS[name](rows))}
    if name == "duration" and (figures := draw_capacity_and_duration(rows)):
        shown |= {"curves": markdown_images(figures, "metrics against the steps of whole trainings")}
    return markdown_metadata(shown)
