"""Stage 5: from candidates to votes, metrics and the tables that a researcher compares."""

import json
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation import metrics as arc_metrics
from arc_pipeline.arc.evaluation.results import PER_TASK, settings
from arc_pipeline.arc.evaluation.voting import attempts_table, submission
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import candidates_table
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.prediction.requests import DECODINGS, candidate_requests
from arc_pipeline.defs.asset_code import asset_code
from arc_pipeline.defs.assets.completing import Weights, completions
from arc_pipeline.defs.assets.configs import curve_config, prediction_config
from arc_pipeline.defs.assets.prediction import contamination, evaluation_tasks, evaluation_tasks_of, predictions
from arc_pipeline.defs.assets.training import checkpoint
from arc_pipeline.defs.partitions import candidate_partitions, experiment_partitions
from arc_pipeline.defs.upkeep.automation import FOLLOWS_ITS_DATA
from arc_pipeline.defs.workspace import Making, Workspace, markdown_metadata
from arc_pipeline.machine.accelerator import POOL
from arc_pipeline.report.charts.curves import draw_over_steps
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.tables import by_decoding, by_step, markdown
from arc_pipeline.store.tables import stacked
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]


@dg.asset(
    partitions_def=candidate_partitions,
    deps=[predictions, evaluation_tasks],
    group_name="evaluation",
    kinds={"parquet", "json"},
    code_version=asset_code("attempts", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
def attempts(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Candidates ranked by votes, and for each dataset the submission.json that they make."""
    with workspace.making(context) as making:
        ranked = attempts_table(making.table("predictions", making.artefact.partition))
        for dataset, found in evaluation_tasks_of(making).items():
            (making.directory / dataset).mkdir()
            file = making.directory / dataset / "submission.json"
            file.write_text(json.dumps(submission(ranked, found, dataset)))
        return making.save_tables({"attempts": ranked}, metadata={"distinct_grids": ranked.num_rows})


@dg.asset(
    partitions_def=candidate_partitions,
    deps=[predictions, attempts, evaluation_tasks, prediction_config],
    group_name="evaluation",
    kinds={"parquet"},
    code_version=asset_code("metrics", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
def metrics(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """accuracy, correct_pixels, correct_size, pass_n and vote_n: per test pair, per task, and per dataset."""
    with workspace.making(context) as making:
        planned, partition = making.configured("prediction_config").predict.predictions, making.artefact.partition
        candidates, ranked = making.table("predictions", partition), making.table("attempts", partition)
        pairs = arc_metrics.per_pair(candidates, ranked, evaluation_tasks_of(making), planned)
        per_task = arc_metrics.per_task(pairs)
        rows = arc_metrics.aggregate(per_task, pairs)
        tables = {"metrics": pa.Table.from_pylist(rows), "metrics_per_task": per_task, "metrics_per_pair": pairs}
        return making.save_tables(tables, metadata=plotted(rows))


@uncounted("metadata for people")
def plotted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Numbers that the UI plots over time, one series for each dataset and metric."""
    names = ("accuracy", "correct_pixels", "pass_n", "vote_2", "task_score")
    return {f"{row['dataset']}/{arc_metrics.column_title(name, row['n'])}": row[name] for row in rows for name in names}


@dg.asset(
    partitions_def=experiment_partitions,
    deps=[metrics, checkpoint, contamination],
    group_name="evaluation",
    kinds={"parquet"},
    code_version=asset_code("experiment_summary", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
def experiment_summary(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """The metrics of one experiment at all its decodings, one row for each dataset and decoding."""
    with workspace.making(context) as making:
        name = making.artefact.partition
        making.read("checkpoint", name)
        trained = making.lineage("checkpoint", name).config
        labels = {row["dataset"]: row["label"] for row in making.table("contamination", name).to_pylist()}
        about = {"experiment": name, "model": trained["model"], "max_steps": trained["max_steps"]}
        about |= {"tuning": trained["tuning"]["method"], "rank": trained["tuning"]["rank"]}
        about |= {"settings": settings(trained)}
        rows = [
            {**about, "decoding": decoding, "temperature": DECODINGS[decoding], **row, "trace": trace}
            | {"contamination": labels[row["dataset"]]}
            for decoding in making.present("metrics", name)
            for row in making.table("metrics", f"{name}/{decoding}").to_pylist()
            for trace in [making.trace("metrics", f"{name}/{decoding}")]
        ]
        per_task = {key: making.table("metrics", f"{name}/{key}", PER_TASK) for key in making.present("metrics", name)}
        tables = {"experiment_summary": pa.Table.from_pylist(rows), PER_TASK: stacked("decoding", per_task)}
        return making.save_tables(tables, metadata=markdown_metadata({"table": markdown(by_decoding(rows))}))


@dg.asset(
    partitions_def=experiment_partitions,
    deps=[checkpoint, evaluation_tasks, prediction_config, curve_config],
    group_name="evaluation",
    kinds={"pytorch", "parquet"},
    pool=POOL,
    code_version=asset_code("training_curve", __name__),
)
def training_curve(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """The metrics of an experiment at the steps `predict.at_steps` of its training, with greedy decoding."""
    with workspace.making(context) as making:
        experiment = making.configured("prediction_config")
        steps = making.configured("curve_config").curve_fields()["at_steps"]
        making.read("checkpoint", experiment.name)
        rows = [row for step in steps for row in metrics_at(context, making, experiment, step)]
        table = pa.Table.from_pylist(rows) if rows else pa.table({"step": pa.array([], pa.int64())})
        shown = {"curve": markdown_images(draw_over_steps(rows, experiment.name), "metrics against steps")}
        shown |= {"table": markdown(by_step(rows))}
        return making.save_tables({"training_curve": table}, metadata=markdown_metadata(shown))


def metrics_at(
    context: dg.AssetExecutionContext, making: Making, experiment: Experiment, step: int
) -> list[dict[str, Any]]:
    """The metrics by dataset of the weights that the training kept after a step."""
    from arc_pipeline.model.weights.checkpoint import milestone, weights_hash

    tasks, directory = evaluation_tasks_of(making), milestone(making.current("checkpoint", experiment.name), step)
    weights = Weights(experiment, directory, weights_hash(directory))
    requests = list(candidate_requests(experiment, tasks))
    completed = zip(requests, completions(context, making, weights, requests), strict=True)
    candidates = candidates_table(completed, parse_encoder(experiment.grid_encoder))
    pairs = arc_metrics.per_pair(candidates, attempts_table(candidates), tasks, experiment.predict.predictions)
    return [{"step": step, **row} for row in arc_metrics.aggregate(arc_metrics.per_task(pairs), pairs)]
