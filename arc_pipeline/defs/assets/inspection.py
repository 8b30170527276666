"""Stage 6: what a person looks at: why test pairs failed, and prompts with their answers."""

from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.failures import REASONS, failures_table, loss_counts, sorted_failures
from arc_pipeline.arc.evaluation.selection import stored_scores
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.prompt_samples import prompt_samples_table
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import prediction_config
from arc_pipeline.defs.assets.evaluation import attempts
from arc_pipeline.defs.assets.prediction import evaluation_tasks, evaluation_tasks_of, predictions, without_solutions
from arc_pipeline.defs.assets.scoring import solution_scores
from arc_pipeline.defs.metadata import markdown_table
from arc_pipeline.defs.partitions import scored_experiment
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.grids.gallery import AnsweredPair, answered_pairs, gallery, worth_a_look
from arc_pipeline.report.prompts import draw_prompt
from arc_pipeline.store.tables import stacked
from arc_pipeline.uncounted import uncounted

Result = dg.MaterializeResult[None]
MOST_PICTURES, MOST_LINES = 6, 30


@declare.asset(
    group="evaluation",
    by="experiment",
    deps=[predictions, attempts, evaluation_tasks, solution_scores.mapped(scored_experiment)],
)
def failures(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Why each test pair failed at each decoding: wrong size, wrong pixels, undecodable, or found but outvoted; how
    likely the right output is to the model, where candidates are scored."""
    with workspace.making(context) as making:
        name, found = making.artefact.partition, evaluation_tasks_of(making)
        is_scored = making.experiment.predict.score_views > 0
        right = stored_scores(making.table("solution_scores", name)) if is_scored else None
        tables, pairs = {}, []
        for decoding in making.present("predictions", name):
            candidates, ranked = (making.table(each, f"{name}/{decoding}") for each in ("predictions", "attempts"))
            tables[decoding] = failures_table(candidates, ranked, found, right)
            pairs.append(list(answered_pairs(found, candidates, ranked, f"{name}, {decoding}")))
        table = stacked("decoding", tables)
        return making.save_tables({"failures": table}, metadata=without_solutions(found) | shown_failures(table, pairs))


@uncounted("metadata for people")
def shown_failures(table: pa.Table, pairs: list[list[AnsweredPair]]) -> dict[str, Any]:
    """Metadata: how many pairs have each reason, the failed ones, and pictures of the first decoding's."""
    unsolved = sorted_failures(table.filter(pc.field("reason") != "solved")).to_pylist()
    counts = {reason: sum(row["reason"] == reason for row in unsolved) for reason in REASONS if reason != "solved"}
    counts |= loss_counts(table)
    pictures = gallery(worth_a_look(pairs[0])[:MOST_PICTURES]) if pairs else []
    return {
        "unsolved": len(unsolved),
        **counts,
        "table": markdown_table(unsolved),
        "gallery": dg.MetadataValue.md(markdown_images(pictures, "answers to test pairs")),
    }


@declare.asset(group="evaluation", by="experiment", deps=[predictions, evaluation_tasks, prediction_config])
def prompt_samples(context: dg.AssetExecutionContext, workspace: Workspace) -> Result:
    """Prompts, right answers and what the model wrote, of a few tasks, to read."""
    with workspace.making(context) as making:
        experiment, name = making.configured("prediction_config"), making.artefact.partition
        found, decodings = evaluation_tasks_of(making), making.present("predictions", name)
        candidates = {decoding: making.table("predictions", f"{name}/{decoding}") for decoding in decodings}
        table = prompt_samples_table(
            found, candidates, experiment.predict.prompt, parse_encoder(experiment.grid_encoder)
        )
        return making.save_tables({"prompt_samples": table}, metadata=shown_prompts(experiment, table, found))


@uncounted("metadata for people")
def shown_prompts(experiment: Experiment, table: pa.Table, found: dict[str, list[Task]]) -> dict[str, Any]:
    """Metadata: the first prompt with its answers, as text and token by token."""
    from arc_pipeline.model.prediction.token_texts import first_prompt_texts

    first = table.slice(0, 1).to_pylist()[0]
    text = f"Prompt:\n\n~~~\n{first['prompt']}\n~~~\n\nRight answer:\n\n~~~\n{first['truth']}\n~~~\n"
    text += f"\nThe model wrote:\n\n~~~\n{first['completion']}\n~~~"
    dataset, task_id = first["dataset"], first["task_id"]
    [task] = [task for task in found[dataset] if task.task_id == task_id]
    title = f"task {task_id} of {dataset}, test 0: {experiment.name}"
    picture = draw_prompt(title, first_prompt_texts(experiment, dataset, task), most_lines=MOST_LINES)
    return {
        "first": dg.MetadataValue.md(text),
        "tokens": dg.MetadataValue.md(markdown_images([picture], "the prompt token by token")),
    }
