"""Reads from the store what pictures show: the answers of an experiment, and the recipes of a task."""

from collections.abc import Sequence
from typing import Any

from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import read_evaluation_tasks, read_tasks
from arc_pipeline.report.grids.augmented import rows_of_task
from arc_pipeline.report.grids.gallery import AnsweredPair, answered_pairs
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import read_table


def evaluated_tasks(store: Store, experiment: str) -> dict[str, list[Task]]:
    """The tasks that an experiment is evaluated on, by dataset; MissingArtefact if they are not there yet."""
    return read_evaluation_tasks(store.current(Artefact("evaluation_tasks", experiment)))


def answers_of(store: Store, experiment: str, decoding: str) -> list[AnsweredPair]:
    """The test pairs that an experiment is evaluated on, with its answers at a decoding; MissingArtefact if none."""
    partition = f"{experiment}/{decoding}"
    candidates, ranked = (
        read_table(store.current(Artefact(asset, partition)), asset) for asset in ("predictions", "attempts")
    )
    return list(answered_pairs(evaluated_tasks(store, experiment), candidates, ranked, f"{experiment}, {decoding}"))


def trained_tasks(store: Store, datasets: Sequence[str]) -> dict[str, list[Task]]:
    """The tasks of datasets as they were materialized; MissingArtefact names one that was not."""
    return {name: read_tasks(store.current(Artefact("tasks", name))) for name in datasets}


def recipes_of(store: Store, experiment: str, dataset: str, task_id: str) -> list[dict[str, Any]]:
    """The training examples of a task in the order of the training, as rows of `augmented_examples`."""
    table = read_table(store.current(Artefact("augmented_examples", experiment)), "augmented_examples")
    return rows_of_task(table, dataset, task_id)
