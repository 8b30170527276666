"""Test-time training (arXiv:2411.07279): what an experiment trains on is what the tasks that it is asked demonstrate.

Test pairs are taken away before anything is drawn; a check, which knows nothing of how that is done, looks again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.checks import NAMED_AT_MOST, Verdict
from arc_pipeline.arc.augmentation.contamination import first_places, shared_pairs
from arc_pipeline.arc.augmentation.recipes import (
    ExamplesTooLong,
    Measure,
    Recipe,
    RecipeDrawer,
    draw_examples,
    usable_tasks,
)
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.settings import TrainingData
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError

Tasks = Mapping[str, Sequence[Task]]
Drawn = tuple[bool, dict[str, Any]]


def training_tasks(experiment: Experiment, tasks: Tasks) -> dict[str, list[Task]]:
    """The tasks as the training may see them: at test time without their test pairs."""
    if not experiment.test_time:
        return {dataset: list(each) for dataset, each in tasks.items()}
    return {dataset: [replace(task, test=()) for task in each] for dataset, each in tasks.items()}


def seen_in_training(history: Sequence[Experiment], tasks: Tasks, asked: Tasks) -> tuple[pa.Table, list[str]]:
    """What weights saw that went through these trainings, the last one first: (the test pairs `asked`, as
    `shared_pairs` has them; the datasets that were trained on with their test pairs)."""
    each_alone = history[0].test_time == "task"
    seen: dict[str, list[Task]] = {}
    for each in history[1:] if each_alone else history:
        given = training_tasks(each, {name: tasks[name] for name in each.datasets()["train"]})
        seen |= {name: seen.get(name, []) + found for name, found in given.items()}
    tables = [shared_pairs(seen, asked), *(_shared_with_own(asked) if each_alone else ())]
    intended = [name for each in history if not each.test_time for name in each.datasets()["train"]]
    return first_places(pa.concat_tables(tables)), intended


def _shared_with_own(asked: Tasks) -> Iterator[pa.Table]:
    """An adapter of one task saw its demonstrations, and answers for that task alone."""
    for name, found in asked.items():
        for task in found:
            yield shared_pairs({name: [replace(task, test=())]}, {name: [task]})


def n_trainings(experiment: Experiment, tasks: Tasks, measure: Measure) -> int:
    """How many trainings of `max_steps` it is: one, or about one for each task whose first draw is not too long."""
    if experiment.test_time != "task":
        return 1
    alone = _trained_alone(experiment, training_tasks(experiment, tasks))
    first = (_drawer_of_one(experiment, source, task).draw(0) for source, task in alone)
    return sum(measure(*each)[0] <= experiment.max_seq_len for each in first)


def draw_training(experiment: Experiment, tasks: Tasks, measure: Measure) -> Iterator[Drawn]:
    """(accepted, row) of all draws, as `draw_examples` has it; for adapters of single tasks, one task after another."""
    seen = training_tasks(experiment, tasks)
    if experiment.test_time == "task":
        yield from _draw_each(experiment, seen, measure)
    else:
        drawer = RecipeDrawer(experiment.training_data, seen, experiment.drawing, experiment.seed)
        yield from draw_examples(drawer, experiment.n_examples, experiment.max_seq_len, measure)


def _draw_each(experiment: Experiment, seen: Tasks, measure: Measure) -> Iterator[Drawn]:
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
        names = ", ".join(experiment.predict.datasets)
        raise ArcPipelineError(
            f"no task of {names} has two demonstrations that fit max_seq_len {experiment.max_seq_len}; raise it"
        )


def _trained_alone(experiment: Experiment, seen: Tasks) -> Iterator[tuple[TrainingData, Task]]:
    for source in experiment.training_data:
        for task in usable_tasks(seen[source.dataset], experiment.drawing):
            yield source, task


def _drawer_of_one(experiment: Experiment, source: TrainingData, task: Task) -> RecipeDrawer:
    return RecipeDrawer([source], {source.dataset: [task]}, experiment.drawing, experiment.seed)


def only_demonstrations_are_trained_on(
    experiment: Experiment, recipes: pa.Table, tasks: Tasks, measure: Measure
) -> Verdict:
    """At test time no example shows, asks or depends on a test pair of the tasks that are asked.

    Every example must name train pairs alone, and have the same tokens where its task has no others. `tasks` are those
    of the files, test pairs included.
    """
    if not experiment.test_time:
        return Verdict(True, "not applicable: nothing is trained at test time")
    given = {(dataset, task.task_id): replace(task, test=()) for dataset, each in tasks.items() for task in each}
    offenders = [words for row in recipes.to_pylist() if (words := _problem(row, given, measure))]
    # an adapter of one task is trained on nothing else
    offenders += _given_elsewhere(recipes, given, tasks) if experiment.test_time == "dataset" else []
    described = f"{recipes.num_rows} examples, {len(offenders)} problems; {_coincidences(tasks)}"
    return Verdict(not offenders, described, tuple(offenders[:NAMED_AT_MOST]))


def _problem(row: Mapping[str, Any], given: Mapping[tuple[str, str], Task], measure: Measure) -> str:
    """What is wrong with one example, empty if nothing is."""
    recipe = Recipe.from_row(row)
    task = given[recipe.dataset, recipe.task_id]
    place = f"example {row['example']}: {recipe.dataset}/{recipe.task_id}"
    for pair, how in ((recipe.target, "asks"), *((pair, "shows") for pair in recipe.demonstrations)):
        if pair >= len(task.train):
            return f"{place} {how} test pair {pair - len(task.train)}"
    if measure(recipe, task) != (row["n_tokens"], row["token_hash"]):
        return f"{place} has other tokens than its train pairs {[*recipe.demonstrations, recipe.target]} make"
    return ""


def _given_elsewhere(recipes: pa.Table, given: Mapping[tuple[str, str], Task], tasks: Tasks) -> list[str]:
    """Test pairs that another task demonstrates, of the same dataset or not, on which the same adapter is trained.

    Not those that their own task demonstrates too: whoever is asked is shown them. Pairs that are the same only up to
    augmentation are no fault, for they occur in ARC itself; the contamination of the results counts them.
    """
    trained = dict.fromkeys(zip(recipes["dataset"].to_pylist(), recipes["task_id"].to_pylist(), strict=True))
    places = {pair: "/".join(name) for name in trained for pair in given[name].train}
    return [
        f"{dataset}/{task.task_id} test pair {number} is a train pair of {places[pair]}"
        for dataset, each in tasks.items()
        for task in each
        for number, pair in enumerate(task.test)
        if pair in places and pair not in task.train
    ]


def _coincidences(tasks: Tasks) -> str:
    """A note: a task may demonstrate an output that is asked as well."""
    asked = [(task, pair) for each in tasks.values() for task in each for pair in task.test]
    alike = sum(pair.output in {given.output for given in task.train} for task, pair in asked)
    return (
        f"{alike} of {len(asked)} test outputs are outputs of a demonstration of their task too, as the files have it"
    )
