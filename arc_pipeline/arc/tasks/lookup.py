"""Finds a task by its id, among all datasets or some. Knows catalogues, not what a task is wanted for."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.derivations import Derivation
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError, FaultyInput

MOST_MATCHES = 3


def find_task(catalogue: Catalogue, task_id: str, dataset: str = "") -> tuple[str, Task]:
    """(its dataset, the task): of the dataset if one is given, else of the first that is no part of another.

    ArcPipelineError names the ids that are most like an unknown one, and the datasets that could not be read.
    """
    searched: dict[str, list[str]] = {}
    faulty = []
    for name in [dataset] if dataset else own_datasets(catalogue):
        try:
            tasks = {task.task_id: task for task in catalogue.load(name)}
        except FaultyInput:
            if dataset:
                raise
            faulty.append(name)
            continue
        if task_id in tasks:
            return name, tasks[task_id]
        searched[name] = list(tasks)
    unread = f"; could not be read: {', '.join(faulty)}" if faulty else ""
    known = [each for ids in searched.values() for each in ids]
    raise ArcPipelineError(f"there is no task {task_id!r} in {', '.join(searched)}{like(task_id, known)}{unread}")


def task_among(tasks: Mapping[str, Sequence[Task]], task_id: str, dataset: str, what: str) -> tuple[str, Task]:
    """(its dataset, the task) among tasks by dataset, which messages call `what`; of the dataset if one is given."""
    if dataset and dataset not in tasks:
        raise ArcPipelineError(f"{dataset!r} has none of {what}{did_you_mean_or_all(dataset, tasks)}")
    chosen = {dataset: tasks[dataset]} if dataset else tasks
    found = {task.task_id: (name, task) for name, each in reversed(list(chosen.items())) for task in each}
    if task_id not in found:
        raise ArcPipelineError(f"task {task_id!r} is not among {what}, of {', '.join(chosen)}{like(task_id, found)}")
    return found[task_id]


def own_datasets(catalogue: Catalogue) -> list[str]:
    """Those that are not derived from others: every task is in one of them, as it was written."""
    return [name for name in catalogue.names() if not isinstance(catalogue.entries.get(name), Derivation)]


def like(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: those known that are most like it, nothing if none is."""
    matches = difflib.get_close_matches(word, sorted(set(known)), n=MOST_MATCHES, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, matches))}?" if matches else ""
