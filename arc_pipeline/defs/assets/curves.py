"""What a single number hides: metrics against the number of predictions, and by the size of the task."""

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.breakdown import metrics_by_bin
from arc_pipeline.arc.evaluation.prediction_curve import by_predictions
from arc_pipeline.arc.evaluation.results import frame_of
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import prediction_config
from arc_pipeline.defs.assets.evaluation import metrics
from arc_pipeline.defs.assets.prediction import evaluation_tasks, evaluation_tasks_of, predictions
from arc_pipeline.defs.metadata import markdown_metadata
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.charts.curves import draw_breakdowns, draw_over_predictions
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]


@declare.asset(group="evaluation", by="experiment", deps=[predictions, evaluation_tasks, prediction_config])
def prediction_curve(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Do more predictions help: accuracy, pass_n and vote_2 of fewer candidates, subsampled, at each decoding."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, evaluation_tasks_of(making)
        planned = making.configured("prediction_config").predict.predictions
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("predictions", name)
            for row in by_predictions(making.table("predictions", f"{name}/{decoding}"), found, planned)
        ]
        table = pa.Table.from_pylist(rows)
        return making.save_tables({"prediction_curve": table}, metadata=shown_curve(table, name))


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
