"""Stage 2: the training examples of an experiment, and the facts that must hold of them before a training."""

from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.augmentation.checks import RECIPE_CHECKS, Verdict, check_recipes, exposures
from arc_pipeline.arc.augmentation.mixture import datasets_are_mixed_by_weight, declared_shares
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, Measure
from arc_pipeline.arc.augmentation.test_time import draw_training, only_demonstrations_are_trained_on, training_tasks
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import tasks_from_table
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.configs import augmentation_config
from arc_pipeline.defs.assets.tasks import tasks
from arc_pipeline.defs.metadata import markdown_table
from arc_pipeline.defs.partitions import named_in
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.report.data_uris import markdown_images
from arc_pipeline.report.grids.augmented import augmented_board, on_a_page, rows_of_task, telling_task
from arc_pipeline.report.grids.drawing import draw_board
from arc_pipeline.uncounted import uncounted

EXAMPLE_CHECKS = RECIPE_CHECKS | declare.facts(datasets_are_mixed_by_weight, only_demonstrations_are_trained_on)
NOTHING_IS_MIXED = Verdict(True, "not applicable: each task has an adapter of its own")


@declare.asset(
    group="augmentation",
    by="experiment",
    deps=[tasks.mapped(named_in("train")), augmentation_config],
    checks=EXAMPLE_CHECKS,
    blocking=True,
)
def augmented_examples(context: dg.AssetExecutionContext, workspace: Workspace):
    """The training examples as recipes, one row each, and the ledger of the draws that were too long.

    Its blocking checks compare what was drawn with what the experiment declares. With `test_time` in the experiment
    file the examples are the demonstrations of the tasks that are asked, each in turn the target after the others, and
    a check makes sure that no test pair is among them.
    """
    from arc_pipeline.model.weights.tokenization import load_tokenizer, measured_by

    with workspace.making(context) as making:
        experiment = making.configured("augmentation_config")
        names = experiment.datasets()["train"]
        found = {name: tasks_from_table(making.table("tasks", name)) for name in names}
        tokenizer = load_tokenizer(experiment.model, experiment)
        measure = measured_by(tokenizer, parse_encoder(experiment.grid_encoder))
        recipes, ledger = draw_tables(experiment, found, measure)
        verdicts = check(experiment, recipes, ledger, found, measure)
        return making.save_tables(
            {"augmented_examples": recipes, "too_long": ledger},
            metadata=describe(experiment, recipes, ledger, found),
            verdicts=verdicts,
            expected_violations=experiment.expected_violations,
        )


def draw_tables(experiment: Experiment, found: dict[str, list[Task]], measure: Measure) -> tuple[pa.Table, pa.Table]:
    """(recipes of all examples, ledger of draws longer than `max_seq_len`)."""
    drawn: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for accepted, row in draw_training(experiment, found, measure):
        drawn[accepted].append(row)
    return _table(drawn[True]), _table(drawn[False])


def check(
    experiment: Experiment, recipes: pa.Table, ledger: pa.Table, found: dict[str, list[Task]], measure: Measure
) -> dict[str, Verdict]:
    """The verdicts of all checks, by name."""
    seen, draws = training_tasks(experiment, found), pa.concat_tables([recipes, ledger])
    verdicts = check_recipes(recipes, ledger, seen, experiment.augmentation)
    shares = declared_shares(experiment.training_data, seen, experiment.augmentation)
    mixed = datasets_are_mixed_by_weight(draws, shares) if experiment.test_time != "task" else NOTHING_IS_MIXED
    verdicts[datasets_are_mixed_by_weight.__name__] = mixed
    unseen = only_demonstrations_are_trained_on(experiment, recipes, found, measure)
    return verdicts | {only_demonstrations_are_trained_on.__name__: unseen}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA)


@uncounted("metadata for people")
def describe(
    experiment: Experiment, recipes: pa.Table, ledger: pa.Table, found: dict[str, list[Task]]
) -> dict[str, Any]:
    """Metadata: how often each pair was shown as the target, what was too long, how long the examples are."""
    seen = exposures(recipes, ledger, training_tasks(experiment, found), experiment.augmentation)
    n_tokens = recipes["n_tokens"].to_numpy()
    rows = [
        {"dataset": e.dataset, "task": e.task_id, "pair": e.pair, "test": e.is_test, "targets": e.accepted}
        | {"expected": round(e.expected, 1), "too long": e.drawn - e.accepted}
        for e in seen
    ]
    return {
        "tokens": int(n_tokens.sum()),
        "mean_tokens": float(n_tokens.mean().round(1)),
        "longest_tokens": int(n_tokens.max()),
        "test_pairs_as_targets": sum(e.accepted for e in seen if e.is_test),
        "draws_too_long": ledger.num_rows,
        "examples_of_a_task": dg.MetadataValue.md(pictured(experiment, recipes, found)),
        "exposure": markdown_table(sorted(rows, key=lambda row: row["targets"] / max(row["expected"], 1e-9))),
    }


def pictured(experiment: Experiment, recipes: pa.Table, found: dict[str, list[Task]]) -> str:
    """A sheet of the examples of one task: at a glance, which pairs are ever the target."""
    dataset, task = telling_task(found)
    rows = rows_of_task(recipes, dataset, task.task_id)
    picture = draw_board(on_a_page(augmented_board(task, dataset, rows, experiment.name)))
    return markdown_images([picture], "augmented examples")
