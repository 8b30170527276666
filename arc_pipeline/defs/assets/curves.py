"""What a single number hides: metrics against the number of predictions, and by the size of the task."""

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.breakdown import breakdown as broken_down
from arc_pipeline.arc.evaluation.prediction_curve import by_predictions
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.defs.asset_code import asset_code
from arc_pipeline.defs.assets.configs import prediction_config
from arc_pipeline.defs.assets.evaluation import metrics
from arc_pipeline.defs.assets.prediction import evaluation_tasks, evaluation_tasks_of, predictions
from arc_pipeline.defs.partitions import experiment_partitions
from arc_pipeline.defs.upkeep.automation import FOLLOWS_ITS_DATA
from arc_pipeline.defs.workspace import Workspace, markdown_metadata
from arc_pipeline.report.charts.curves import draw_breakdowns, draw_over_predictions
from arc_pipeline.report.data_uris import markdown_images

Result = dg.MaterializeResult[None]


@dg.asset(
    partitions_def=experiment_partitions,
    deps=[predictions, evaluation_tasks, prediction_config],
    group_name="evaluation",
    kinds={"parquet"},
    code_version=asset_code("prediction_curve", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
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
        shown = markdown_metadata(
            {"curves": markdown_images(draw_over_predictions(rows, name), "metrics against predictions")}
        )
        return making.save_tables({"prediction_curve": pa.Table.from_pylist(rows)}, metadata=shown)


@dg.asset(
    partitions_def=experiment_partitions,
    deps=[metrics, evaluation_tasks],
    group_name="evaluation",
    kinds={"parquet"},
    code_version=asset_code("breakdown", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
def breakdown(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Which tasks are hard: metrics by the size of grids and by the number of demonstrations, at each decoding."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, evaluation_tasks_of(making)
        rows = [
            {"decoding": decoding, "temperature": DECODINGS[decoding], **row}
            for decoding in making.present("metrics", name)
            for row in broken_down(making.table("metrics", f"{name}/{decoding}", "metrics_per_pair"), found)
        ]
        shown = markdown_metadata(
            {"curves": markdown_images(draw_breakdowns(rows, name), "metrics by the size of tasks")}
        )
        return making.save_tables({"breakdown": pa.Table.from_pylist(rows)}, metadata=shown)
