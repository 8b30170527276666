"""Test-time training (arXiv:2411.07279): an experiment is trained on the demonstrations of its evaluation tasks.

Test pairs are taken away before anything is drawn; a check, which knows nothing of how that is done, looks again.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.checks import DrawnExamples, Tasks
from arc_pipeline.arc.augmentation.contamination import Seen, first_places
from arc_pipeline.arc.augmentation.recipes import (
    RECIPE_SCHEMA,
    ExamplesTooLong,
    Measure,
    RecipeDrawer,
    draw_examples,
    usable_tasks,
)
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.solutions import n_unknown_outputs, without_hidden_tests
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError

Drawn = tuple[bool, dict[str, Any]]


def training_tasks(experiment: Experiment, tasks: Tasks) -> dict[str, Sequence[Task]]:
    """The tasks as the training may see them: at test time, or if an output is not known, without their test pairs."""
    if not experiment.test_time:
        return {dataset: _without_hidden_tests(given) for dataset, given in tasks.items()}
    return {dataset: [replace(task, test=()) for task in given] for dataset, given in tasks.items()}


def _without_hidden_tests(tasks: Sequence[Task]) -> Sequence[Task]:
    """As they are where all outputs are known: of many tasks no copies are made."""
    return [without_hidden_tests(task) for task in tasks] if n_unknown_outputs(tasks) else tasks


def seen_in_training(
    history: Sequence[Experiment],
    tasks: Tasks,
    evaluation_tasks: Tasks,
    drawn: Mapping[str, Collection[tuple[str, str]]] | None = None,
) -> Seen:
    """What weights saw of `evaluation_tasks` that went through these trainings, the last one first.

    `drawn` has, by experiment, the (dataset, task id) that are in its examples: of others nothing was seen.
    """
    has_adapters = history[0].test_time == "task"
    seen: dict[str, Sequence[Task]] = {}
    for experiment in history[1:] if has_adapters else history:
        given = training_tasks(experiment, {name: tasks[name] for name in experiment.datasets()["train"]})
        for name, more in given.items():
            kept = [task for task in more if drawn is None or (name, task.task_id) in drawn[experiment.name]]
            seen[name] = [*seen.get(name, ()), *kept]
    parts = [Seen.of(seen, evaluation_tasks), *(_shared_with_own(evaluation_tasks) if has_adapters else ())]
    intended = {name for each in history if not each.test_time for name in each.datasets()["train"]}
    adapted = {name for each in history if each.test_time for name in each.datasets()["train"]}
    return Seen(
        first_places(pa.concat_tables(part.shared for part in parts)),
        first_places(pa.concat_tables(part.matches for part in parts)),
        {name: {task.task_id for task in seen.get(name, ())} for name in sorted(intended)},
        sorted(adapted),
    )


def _shared_with_own(evaluation_tasks: Tasks) -> Iterator[Seen]:
    """An adapter of one task saw its demonstrations, and answers for that task alone."""
    for name, tasks in evaluation_tasks.items():
        for task in tasks:
            yield Seen.of({name: [replace(task, test=())]}, {name: [task]})


def n_trainings(experiment: Experiment, tasks: Tasks, measure: Measure) -> int:
    """How many trainings of `max_steps` it is: one, or about one for each task whose first draw is not too long."""
    if experiment.test_time != "task":
        return 1
    alone = _trained_alone(experiment, training_tasks(experiment, tasks))
    first = (_drawer_of_one(experiment, source, task).draw(0) for source, task in alone)
    return sum(measure(recipe, task)[0] <= experiment.max_seq_len for recipe, task in first)


def draw_all(experiment: Experiment, tasks: Tasks, measure: Measure) -> DrawnExamples:
    """All examples of an experiment and the ledger of the draws that were too long, as its checks look at them."""
    rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for accepted, row in draw_training(experiment, tasks, measure):
        rows[accepted].append(row)
    recipes, ledger = (pa.Table.from_pylist(rows[accepted], schema=RECIPE_SCHEMA) for accepted in (True, False))
    seen, train = training_tasks(experiment, tasks), experiment.training_data
    return DrawnExamples(recipes, ledger, tasks, seen, train, experiment.augmentation, measure, experiment.test_time)


def draw_training(experiment: Experiment, tasks: Tasks, measure: Measure) -> Iterator[Drawn]:
    """(accepted, row) of all draws, as `draw_examples` has it; for adapters of single tasks, one task after another."""
    seen = training_tasks(experiment, tasks)
    if experiment.test_time == "task":
        yield from _draw_task_by_task(experiment, seen, measure)
    else:
        drawer = RecipeDrawer(experiment.training_data, seen, drawing_config(experiment), experiment.seed)
        yield from draw_examples(drawer, experiment.n_examples, experiment.max_seq_len, measure)


def _draw_task_by_task(experiment: Experiment, seen: Tasks, measure: Measure) -> Iterator[Drawn]:
    """As many examples of each task; none of a task whose demonstrations are too few or too long."""
    fitting = 0
    for number, (source, task) in enumerate(_trained_alone(experiment, seen)):
        drawer, first = _drawer_of_one(experiment, source, task), number * experiment.n_examples
        drawn: list[Drawn] = []
        try:
            drawn.extend(draw_examples(drawer, experiment.n_examples, experiment.max_seq_len, measure, first))
            fitting += 1
        except ExamplesTooLong:
            drawn = [(accepted, row) for accepted, row in drawn if not accepted]
        yield from drawn
    if not fitting:
        raise no_task_fits(experiment)


def no_task_fits(experiment: Experiment) -> ArcPipelineError:
    """The error where not a single task can be trained on."""
    names = ", ".join(experiment.predict.datasets)
    return ArcPipelineError(
        f"no task of {names} has two demonstrations that fit max_seq_len {experiment.max_seq_len}; raise it"
    )


def _trained_alone(experiment: Experiment, seen: Tasks) -> Iterator[tuple[TrainingData, Task]]:
    for source in experiment.training_data:
        for task in usable_tasks(seen[source.dataset], drawing_config(experiment)):
            yield source, task


def _drawer_of_one(experiment: Experiment, source: TrainingData, task: Task) -> RecipeDrawer:
    return RecipeDrawer([source], {source.dataset: [task]}, drawing_config(experiment), experiment.seed)


def drawing_config(experiment: Experiment) -> AugmentationConfig:
    """How examples are drawn: at test time all other demonstrations are shown, unless the file says how many."""
    if not experiment.test_time or experiment.augmentation.max_demonstrations:
        return experiment.augmentation
    return experiment.augmentation.model_copy(update={"max_demonstrations": sys.maxsize})
