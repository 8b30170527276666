"""Stage 5: from candidates to votes, metrics and the tables that a researcher compares."""

import json
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.metric_tables import aggregate, per_pair, per_task
from arc_pipeline.arc.evaluation.metrics import BY_NAME, TASK_METRICS
from arc_pipeline.arc.evaluation.results import PER_TASK, frame_of, refuse_outdated, settings
from arc_pipeline.arc.evaluation.selection import stored_scores, with_score_ranks
from arc_pipeline.arc.evaluation.voting import VOTES, attempts_table, rankings_of, submission
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import candidates_table
from arc_pipeline.arc.prediction.requests import DECODINGS, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.completing import Weights, completions
from arc_pipeline.defs.assets.configs import curve_config, prediction_config
from arc_pipeline.defs.assets.prediction import (
    WITHOUT_SOLUTIONS,
    contamination,
    evaluation_tasks,
    evaluation_tasks_of,
    predictions,
    without_solutions,
)
from arc_pipeline.defs.assets.scoring import scores
from arc_pipeline.defs.assets.training import checkpoint
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import markdown_metadata
from arc_pipeline.defs.partitions import same_candidate
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.machine.accelerator import POOL
from arc_pipeline.report.charts.curves import draw_over_steps
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.tables import decoding_sheets, markdown, step_sheets
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import stacked
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]
PLOTTED = ("accuracy", "correct_pixels", "pass_n", "vote_2", "task_score")


@declare.asset(
    group="evaluation",
    by="candidate",
    deps=[predictions, evaluation_tasks, scores.mapped(same_candidate)],
    kinds={"parquet", "json"},
)
def attempts(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Candidates ranked by votes, where they are scored by probability too, and for each dataset the submission.json
    that they make; by score and by both together it is submission_score.json and submission_both.json."""
    with workspace.making(context) as making:
        partition = making.artefact.partition
        ranked = attempts_table(making.table("predictions", partition))
        if making.experiment.predict.score_views:
            ranked = with_score_ranks(ranked, stored_scores(making.table("scores", partition)))
        for dataset, found in evaluation_tasks_of(making).items():
            (making.directory / dataset).mkdir()
            for ranking in rankings_of(ranked):
                name = "submission" if ranking == VOTES else f"submission_{ranking}"
                file = making.directory / dataset / f"{name}.json"
                file.write_text(json.dumps(submission(ranked, found, dataset, ranking)))
        return making.save_tables({"attempts": ranked}, metadata={"distinct_grids": ranked.num_rows})


@declare.asset(group="evaluation", by="candidate", deps=[predictions, attempts, evaluation_tasks, prediction_config])
def metrics(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """accuracy, correct_pixels, correct_size, pass_n and vote_n: per test pair, per task, and per dataset."""
    with workspace.making(context) as making:
        planned, partition = making.configured("prediction_config").predict.predictions, making.artefact.partition
        candidates, ranked = making.table("predictions", partition), making.table("attempts", partition)
        evaluated_on = evaluation_tasks_of(making)
        pairs = per_pair(candidates, ranked, evaluated_on, planned)
        tasks = per_task(pairs)
        rows = aggregate(tasks, pairs)
        tables = {"metrics": pa.Table.from_pylist(rows), PER_TASK: tasks, "metrics_per_pair": pairs}
        return making.save_tables(tables, metadata=without_solutions(evaluated_on) | plotted(rows))


@uncounted("metadata for people")
def plotted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Numbers that the UI plots over time, one series for each dataset and metric."""
    metrics = [BY_NAME[name] for name in PLOTTED]
    return {f"{row['dataset']}/{each.title(row['n'])}": row[each.name] for row in rows for each in metrics}


def stored_per_task(making: Making, asset: str, partition: str) -> pa.Table:
    """The metrics of each task that another artefact has, refused if it lacks some that were added since."""
    table = making.table(asset, partition, PER_TASK)
    refuse_missing_metrics(table, Artefact(asset, partition))
    return table


@uncounted("refuses a table, and changes none")
def refuse_missing_metrics(table: pa.Table, artefact: Artefact) -> None:
    """ArcPipelineError, with what to do, if a table of metrics by task lacks a metric."""
    to_do = f"run: arc-pipeline refresh --select {artefact.partition.split('/')[0]}"
    refuse_outdated(table, str(artefact), TASK_METRICS, to_do)


@declare.asset(group="evaluation", by="experiment", deps=[metrics, checkpoint, contamination])
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
        tasks = {key: stored_per_task(making, "metrics", f"{name}/{key}") for key in making.present("metrics", name)}
        summary = pa.Table.from_pylist(rows)
        tables = {"experiment_summary": summary, PER_TASK: stacked("decoding", tasks)}
        return making.save_tables(tables, metadata=said_of_solutions(making, list(tasks)) | shown_summary(summary))


@uncounted("metadata for people")
def said_of_solutions(making: Making, decodings: list[str]) -> dict[str, str]:
    """What the metrics say of test pairs without a solution, the same at each decoding."""
    records = (making.lineage("metrics", f"{making.artefact.partition}/{decoding}") for decoding in decodings[:1])
    notes = (record.metadata.get(WITHOUT_SOLUTIONS) for record in records)
    return {name: note for name, note in ((WITHOUT_SOLUTIONS, note) for note in notes) if note}


@uncounted("metadata for people")
def shown_summary(table: pa.Table) -> dict[str, dg.MetadataValue]:
    """The metrics at each decoding, as a table."""
    return markdown_metadata({"table": markdown(decoding_sheets(frame_of(table)))})


@declare.asset(
    group="evaluation",
    by="experiment",
    deps=[checkpoint, evaluation_tasks, prediction_config, curve_config],
    kinds={"pytorch", "parquet"},
    automation=None,
    pool=POOL,
)
def training_curve(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """The metrics of an experiment at the steps `predict.at_steps` of its training, with greedy decoding."""
    with workspace.making(context) as making:
        experiment = making.configured("prediction_config")
        steps = making.configured("curve_config").curve_fields()["at_steps"]
        making.read("checkpoint", experiment.name)
        rows = [row for step in steps for row in metrics_at(context, making, experiment, step)]
        table = pa.Table.from_pylist(rows) if rows else pa.table({"step": pa.array([], pa.int64())})
        return making.save_tables({"training_curve": table}, metadata=shown_steps(table, experiment.name))


@uncounted("metadata for people")
def shown_steps(table: pa.Table, name: str) -> dict[str, dg.MetadataValue]:
    """The metrics against steps, as a picture and as a table."""
    curve = frame_of(table)
    figures = draw_over_steps(curve, name)
    return markdown_metadata(
        {"curve": markdown_images(figures, "metrics against steps"), "table": markdown(step_sheets(curve))}
    )


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
    pairs = per_pair(candidates, attempts_table(candidates), tasks, experiment.predict.predictions)
    return [{"step": step, **row} for row in aggregate(per_task(pairs), pairs)]
