"""What a single number hides: metrics against the number of predictions, and by the size of the task."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.breakdown import metrics_by_bin
from arc_pipeline.arc.evaluation.prediction_curve import by_predictions
from arc_pipeline.arc.evaluation.results import frame_of
from arc_pipeline.arc.evaluation.selection import scores_of_attempts
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import prediction_config
from arc_pipeline.defs.assets.evaluation import attempts, metrics
from arc_pipeline.defs.assets.prediction import evaluation_tasks, evaluation_tasks_of, predictions
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import markdown_metadata
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.charts.curves import draw_breakdowns, draw_over_predictions
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]


@declare.asset(
    group="evaluation",
    by="experiment",
    deps=[predictions, attempts, evaluation_tasks, prediction_config],
)
def prediction_curve(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Do more predictions help: accuracy, pass_n, vote_2, and score_2 where candidates are scored, of fewer candidates,
    subsampled, at each decoding; `seconds` is what so many took, scoring included."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, evaluation_tasks_of(making)
        planned = making.configured("prediction_config").predict.predictions
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("predictions", name)
            for row in rows_at(making, f"{name}/{decoding}", found, planned)
        ]
        table = pa.Table.from_pylist(rows)
        return making.save_tables({"prediction_curve": table}, ("seconds",), metadata=shown_curve(table, name))


def rows_at(making: Making, partition: str, found: dict[str, list[Task]], planned: int) -> Iterator[dict[str, Any]]:
    """The rows of one decoding."""
    scored = scores_of_attempts(making.table("attempts", partition))
    timed = ["predictions"] if scored is None else ["predictions", "scores"]
    took = sum(making.lineage(asset, partition).seconds for asset in timed)
    for row in by_predictions(making.table("predictions", partition), found, planned, scored):
        yield row | {"seconds": took * row["n"] / planned}


@uncounted("metadata for people")
def shown_curve(table: pa.Table, name: str) -> dict[str, dg.MetadataValue]:
    """The curves as pictures."""
    figures = draw_over_predictions(frame_of(table), name)
    return markdown_metadata({"curves": markdown_images(figures, "metrics against predictions")})


@declare.asset(group="evaluation", by="experiment", deps=[metrics, evaluation_tasks])
def breakdown(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Which tasks are hard: metrics by the size of grids and by the number of demonstrations, at each decoding."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, evaluation_tasks_of(making)
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("metrics", name)
            for row in metrics_by_bin(making.table("metrics", f"{name}/{decoding}", "metrics_per_pair"), found)
        ]
        table = pa.Table.from_pylist(rows)
        return making.save_tables({"breakdown": table}, metadata=shown_breakdown(table, name))


@uncounted("metadata for people")
def shown_breakdown(table: pa.Table, name: str) -> dict[str, dg.MetadataValue]:
    """The means of the bins as pictures."""
    figures = draw_breakdowns(frame_of(table), name)
    return markdown_metadata({"curves": markdown_images(figures, "metrics by the size of tasks")})
