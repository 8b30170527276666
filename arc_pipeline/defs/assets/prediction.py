"""Stage 4: the candidates of a checkpoint, one partition for each experiment and way of decoding."""

from collections import Counter
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.augmentation.contamination import contamination_labels, evaluation_pairs_are_not_in_training
from arc_pipeline.arc.augmentation.recipes import drawn_tasks
from arc_pipeline.arc.augmentation.test_time import seen_in_training
from arc_pipeline.arc.prediction.candidates import DECODED, candidates_table
from arc_pipeline.arc.prediction.requests import candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.solutions import solutions_note
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import read_evaluation_tasks, read_tasks
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.augmentation import augmented_examples
from arc_pipeline.defs.assets.completing import Weights, completions, temperatures_together
from arc_pipeline.defs.assets.configs import augmentation_config, prediction_config
from arc_pipeline.defs.assets.tasks import tasks
from arc_pipeline.defs.assets.training import checkpoint
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.partitions import (
    history_of_weights,
    named_in,
    seen_by_weights,
)
from arc_pipeline.defs.policy import QUESTIONS
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.accelerator import POOL
from arc_pipeline.store.tables import hash_tables, stacked
from arc_pipeline.uncounted import uncounted

# what metadata call the words about test pairs whose output is not known
WITHOUT_SOLUTIONS = "without_solutions"


@declare.asset(
    group="prediction", by="experiment", deps=[prediction_config, tasks.mapped(named_in("predict.datasets"))]
)
def evaluation_tasks(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The tasks that an experiment is evaluated on, of all its prediction datasets, to compare candidates with."""
    with workspace.making(context) as making:
        names = making.configured("prediction_config").predict.datasets
        tables = {name: making.table("tasks", name) for name in names}
        if empty := [name for name, table in tables.items() if "test" not in table["split"].to_pylist()]:
            raise ArcPipelineError(
                f"predict.datasets: {', '.join(empty)} has no test pairs, so there is nothing to predict"
            )
        table = stacked("dataset", tables)
        return making.save_tables({"evaluation_tasks": table}, metadata={QUESTIONS: questions_hash(table)})


@declare.asset(
    group="prediction",
    by="experiment",
    deps=[
        evaluation_tasks,
        augmentation_config.mapped(history_of_weights),
        augmented_examples.mapped(history_of_weights),
        tasks.mapped(seen_by_weights),
    ],
    checks=declare.facts(evaluation_pairs_are_not_in_training),
)
def contamination(context: dg.AssetExecutionContext, workspace: Workspace):
    """What an experiment is evaluated or validated on and its weights were trained on as well, up to augmentation: in
    its own training, or before in those of the checkpoints that it is initialised from. Tasks are compared by their
    content; one that is in no training example, because it is too long, was not trained on."""
    with workspace.making(context) as making:
        history = [making.configured("augmentation_config", name) for name in making.history()]
        used = {name for experiment in history for name in experiment.datasets()["train"]}
        validated = history[0].datasets()["validation"]
        known = {name: read_tasks(making.read("tasks", name)) for name in sorted({*used, *validated})}
        drawn = {each.name: drawn_tasks(making.read("augmented_examples", each.name)) for each in history}
        evaluated_on = evaluation_tasks_of(making)
        evaluated_on |= {name: known[name] for name in validated if name not in evaluated_on}
        seen = seen_in_training(history, known, evaluated_on, drawn)
        labels = contamination_labels(evaluated_on, seen)
        verdict = evaluation_pairs_are_not_in_training(evaluated_on, seen)
        table = pa.Table.from_pylist([{"dataset": name, "label": label} for name, label in labels.items()])
        metadata = {"shared_test_pairs": seen.shared.num_rows, "labels": dg.MetadataValue.json(labels)}
        tables = {"contamination": table, "shared_pairs": seen.shared, "matching_tasks": seen.matches}
        warned = [evaluation_pairs_are_not_in_training.__name__]
        return making.save_tables(tables, metadata=metadata, verdicts={warned[0]: verdict}, warnings=warned)


@uncounted("says whether what was made of the same questions stays valid")
def questions_hash(table: pa.Table) -> str:
    """A hash of evaluation tasks without the outputs of test pairs."""
    of_tests = pc.equal(table["split"], "test")
    outputs = [name for name in table.column_names if name.startswith("output")]
    return hash_tables(
        {"train": table.filter(pc.invert(of_tests)), "test": table.filter(of_tests).drop_columns(outputs)}
    )


@uncounted("metadata for people")
def without_solutions(evaluated_on: dict[str, list[Task]]) -> dict[str, str]:
    """Metadata: which datasets have no solutions, so that there is no metric of them; nothing if all have."""
    note = solutions_note(evaluated_on)
    return {WITHOUT_SOLUTIONS: note} if note else {}


def evaluation_tasks_of(making: Making) -> dict[str, list[Task]]:
    """The tasks that the experiment of this partition is evaluated on, by dataset."""
    return read_evaluation_tasks(making.read("evaluation_tasks", making.experiment.name))


@declare.asset(
    group="prediction",
    by="candidate",
    deps=[checkpoint, prediction_config, evaluation_tasks],
    kinds={"pytorch", "parquet"},
    automation=None,
    pool=POOL,
)
def predictions(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """Candidates for every test pair: prompts under augmentation, completed, decoded, the augmentation undone.

    Log-probabilities are stored, but the data version leaves them out: they vary in the last digits.
    """
    with workspace.making(context) as making:
        experiment = making.configured("prediction_config")
        directory, name = making.read("checkpoint", experiment.name), f"checkpoint[{experiment.name}]"
        temperature, *others = temperatures_together(context)
        requests = list(candidate_requests(experiment, evaluation_tasks_of(making), temperature))
        weights = Weights(experiment, directory, making.upstream[name])
        completed = zip(requests, completions(context, making, weights, requests, others), strict=True)
        tables = {"predictions": candidates_table(completed, parse_encoder(experiment.grid_encoder))}
        outcomes = outcome_counts(tables["predictions"])
        return making.save_tables(tables, leave_out=("logprob", "token_logprobs"), metadata=outcomes)


@uncounted("metadata for people")
def outcome_counts(table: pa.Table) -> dict[str, Any]:
    """Metadata: how many candidates decoded, and why the others did not."""
    outcomes = Counter(table["outcome"].to_pylist())
    return {
        "candidates": table.num_rows,
        "decoded": outcomes[DECODED],
        "tokens": sum(table["n_tokens"].to_pylist()),
        "outcomes": dg.MetadataValue.json(dict(outcomes.most_common())),
    }
