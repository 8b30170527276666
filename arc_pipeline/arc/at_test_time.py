"""Test-time training (arXiv:2411.07279): what an experiment trains on is what the tasks that it is asked demonstrate.

Test pairs are taken away before anything is drawn; a check, which knows nothing of how that is done, looks again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.checks import NAMED_AT_MOST, Verdict
from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.examples import ExamplesTooLong, Measure, Recipe, RecipeDrawer, draw_examples, usable_tasks
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Pair, Task

Tasks = Mapping[str, Sequence[Task]]
Drawn = tuple[bool, dict[str, Any]]


def training_tasks(experiment: Experiment, tasks: Tasks) -> dict[str, list[Task]]:
    """The tasks as the training may see them: at test time without their test pairs."""
    if not experiment.test_time:
        return {dataset: list(each) for dataset, each in tasks.items()}
    return {dataset: [replace(task, test=()) for task in each] for dataset, each in tasks.items()}


def trained_on(history: Sequence[Experiment], tasks: Tasks) -> tuple[dict[str, list[Task]], list[str]]:
    """What weights have seen that went through these trainings, and the datasets whose test pairs they saw as well."""
    seen: dict[str, list[Task]] = {}
    for each in history:
        given = training_tasks(each, {name: tasks[name] for name in each.datasets()["train"]})
        for name, found in given.items():
            seen[name] = seen.get(name, []) + found
    return seen, [name for each in history if not each.test_time for name in each.datasets()["train"]]


def n_trainings(experiment: Experiment, tasks: Tasks) -> int:
    """How many trainings of `max_steps` it is: one for each task that can be, if each has its own adapter."""
    if experiment.test_time != "task":
        return 1
    seen = training_tasks(experiment, tasks)
    return sum(len(usable_tasks(seen[each.dataset], experiment.drawing)) for each in experiment.training_data)


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
    first, n_examples = 0, experiment.n_examples
    for source in experiment.training_data:
        for task in usable_tasks(seen[source.dataset], experiment.drawing):
            drawer = RecipeDrawer([source], {source.dataset: [task]}, experiment.drawing, experiment.seed)
            drawn: list[Drawn] = []
            try:
                drawn.extend(draw_examples(drawer, n_examples, experiment.max_seq_len, measure, first))
                first += n_examples
            except ExamplesTooLong:
                drawn = [(accepted, row) for accepted, row in drawn if not accepted]
            yield from drawn
    if not first:
        names = ", ".join(experiment.predict.datasets)
        raise ArcPipelineError(
            f"no task of {names} has two demonstrations that fit max_seq_len {experiment.max_seq_len}; raise it"
        )


def examples_of_each(recipes: pa.Table) -> dict[tuple[str, str], pa.Table]:
    """The examples of each (dataset, task id), in the order of the table."""
    rows: dict[tuple[str, str], list[int]] = {}
    for row, name in enumerate(zip(recipes["dataset"].to_pylist(), recipes["task_id"].to_pylist(), strict=True)):
        rows.setdefault(name, []).append(row)
    return {name: recipes.take(each) for name, each in rows.items()}


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
    offenders += _given_elsewhere(tasks) if experiment.test_time == "dataset" else []
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


def _given_elsewhere(tasks: Tasks) -> list[str]:
    """Test pairs that another of the datasets, on which the same adapter is trained, has as a train pair."""
    given: dict[str, set[Pair]] = {dataset: {p for task in each for p in task.train} for dataset, each in tasks.items()}
    return [
        f"{dataset}/{task.task_id} test pair {number} is a train pair of {other}"
        for dataset, each in tasks.items()
        for other in given
        for task in each
        for number, pair in enumerate(task.test)
        if pair in given[other] - given[dataset]
    ]


def _coincidences(tasks: Tasks) -> str:
    """A note: a task may demonstrate an output that is asked as well."""
    asked = [(task, pair) for each in tasks.values() for task in each for pair in task.test]
    alike = sum(pair.output in {given.output for given in task.train} for task, pair in asked)
    return (
        f"{alike} of {len(asked)} test outputs are outputs of a demonstration of their task too, as the files have it"
    )
