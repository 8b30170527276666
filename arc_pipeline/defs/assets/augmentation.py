"""Stage 2: the training examples of an experiment, and the facts that must hold of them before a training."""

import shutil
from heapq import nsmallest
from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.arc.augmentation.checks import CHECKS, DrawnExamples, check_examples
from arc_pipeline.arc.augmentation.exposure import Exposure
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task_table import read_tasks
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import augmentation_config
from arc_pipeline.defs.assets.tasks import tasks
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import MOST_METADATA_ROWS, markdown_table
from arc_pipeline.defs.partitions import named_in
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.grids.augmented import augmented_board, on_a_page, rows_of_task, telling_task
from arc_pipeline.report.grids.drawing import draw_board
from arc_pipeline.store.artefact import hash_json
from arc_pipeline.uncounted import uncounted

DRAWING = "drawing"


@declare.asset(
    group="augmentation",
    by="experiment",
    deps=[tasks.mapped(named_in("train")), augmentation_config],
    checks={check.name: check.fact for check in CHECKS.values()},
    blocking=True,
)
def augmented_examples(context: dg.AssetExecutionContext, workspace: Workspace):
    """The training examples as recipes, one row each, and the ledger of the draws that were too long.

    Its blocking checks compare what was drawn with what the experiment declares. With `test_time` in the experiment
    file the examples are the demonstrations of the evaluation tasks, each in turn the target after the others, and a
    check makes sure that no test pair is among them.
    """
    from arc_pipeline.model.examples.drawing import draw_experiment
    from arc_pipeline.model.weights.tokenization import load_tokenizer
    from arc_pipeline.model.weights.writable import refuse_lost_characters

    with workspace.making(context) as making:
        experiment = making.configured("augmentation_config")
        names = experiment.datasets()["train"]
        given = {name: read_tasks(making.read("tasks", name)) for name in names}
        tokenizer = load_tokenizer(experiment.model, experiment)
        refuse_lost_characters(tokenizer, experiment)
        work = parts_directory(making)
        drawn = draw_experiment(experiment, given, tokenizer, work, context.log.info)
        result = making.save_tables(
            {"augmented_examples": drawn.recipes, "too_long": drawn.ledger},
            metadata=examples_metadata(experiment, drawn),
            verdicts=check_examples(drawn),
            expected_violations=experiment.expected_violations,
            warnings=[check.name for check in CHECKS.values() if check.only_warns],
        )
        shutil.rmtree(work.parent, ignore_errors=True)
        return result


@uncounted("where parts are drawn changes none of them")
def parts_directory(making: Making) -> Path:
    """Where the parts of many examples are kept until all are drawn, named by inputs and code; others are removed."""
    work = making.root / DRAWING / making.experiment.name / hash_json([making.upstream, making.code_version])[:16]
    for other in work.parent.glob("*"):
        if other != work:
            shutil.rmtree(other, ignore_errors=True)
    return work


@uncounted("metadata for people")
def examples_metadata(experiment: Experiment, drawn: DrawnExamples) -> dict[str, Any]:
    """Metadata: how often each pair was shown as the target, what was too long, how long the examples are."""
    n_tokens = drawn.recipes["n_tokens"].to_numpy()
    rows = [
        {"dataset": pair.dataset, "task": pair.task_id, "pair": pair.pair, "test": pair.is_test}
        | {"targets": pair.accepted, "expected": round(pair.expected, 1), "too long": pair.drawn - pair.accepted}
        for pair in nsmallest(MOST_METADATA_ROWS, drawn.exposures, key=share_of_expected)
    ]
    return {
        "tokens": int(n_tokens.sum()),
        "mean_tokens": float(n_tokens.mean().round(1)),
        "longest_tokens": int(n_tokens.max()),
        "test_pairs_as_targets": sum(pair.accepted for pair in drawn.exposures if pair.is_test),
        "draws_too_long": drawn.ledger.num_rows,
        "examples_of_a_task": dg.MetadataValue.md(pictured(experiment, drawn)),
        "exposure": markdown_table(rows),
    }


@uncounted("metadata for people")
def share_of_expected(pair: Exposure) -> float:
    """How often a pair is a target, of the times that it is expected to be."""
    return pair.accepted / max(round(pair.expected, 1), 1e-9)


def pictured(experiment: Experiment, drawn: DrawnExamples) -> str:
    """A sheet of the examples of one task: at a glance, which pairs are ever the target."""
    # large corpora are searched without their grids; at test time those are without the test pairs, too
    searched = drawn.tasks if drawn.test_time else drawn.seen
    dataset, telling = telling_task(searched)
    task = drawn.tasks[dataset][[each.task_id for each in searched[dataset]].index(telling.task_id)]
    rows = rows_of_task(drawn.recipes, dataset, task.task_id)
    picture = draw_board(on_a_page(augmented_board(task, dataset, rows, experiment.name)))
    return markdown_images([picture], "augmented examples")
