"""What a single number hides: metrics against the number of predictions, and by the size of the task."""

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.breakdown import breakdown as broken_down
from arc_pipeline.arc.evaluation.prediction_curve import by_predictions
from arc_pipeline.arc.prediction.questions import DECODINGS
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import prediction_config
from arc_pipeline.defs.assets.evaluation import metrics
from arc_pipeline.defs.assets.prediction import evaluation_tasks, predictions, tasks_asked
from arc_pipeline.defs.metadata import markdown_metadata
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.charts.curves import draw_breakdowns, draw_over_predictions
from arc_pipeline.report.data_uris import markdown_images

Result = dg.MaterializeResult[None]


@declare.asset(group="evaluation", by="experiment", deps=[predictions, evaluation_tasks, prediction_config])
def prediction_curve(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Do more predictions help: accuracy, pass_n and vote_2 of fewer candidates, subsampled, at each decoding."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, tasks_asked(making)
        planned = making.configured("prediction_config").predict.predictions
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("predictions", name)
            for row in by_predictions(making.table("predictions", f"{name}/{decoding}"), found, planned)
        ]
        shown = markdown_metadata(
            {"curves": markdown_images(draw_over_predictions(rows, name), "metrics against predictions")}
        )
        return making.save_tables({"prediction_curve": pa.Table.from_pylist(rows)}, metadata=shown)


@declare.asset(group="evaluation", by="experiment", deps=[metrics, evaluation_tasks])
def breakdown(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Which tasks are hard: metrics by the size of grids and by the number of demonstrations, at each decoding."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, tasks_asked(making)
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("metrics", name)
            for row in broken_down(making.table("metrics", f"{name}/{decoding}", "metrics_per_pair"), found)
        ]
        shown = markdown_metadata(
            {"curves": markdown_images(draw_breakdowns(rows, name), "metrics by the size of tasks")}
        )
        return making.save_tables({"breakdown": pa.Table.from_pylist(rows)}, metadata=shown)
