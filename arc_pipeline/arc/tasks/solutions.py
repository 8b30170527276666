"""Questions without answers: a test pair whose output is not known has an empty one. Knows no files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from arc_pipeline.arc.tasks.task import Grid, Pair, Task

NO_SOLUTIONS = "no solutions"


def known_outputs(task: Task) -> Iterator[tuple[int, Grid]]:
    """(index, output) of the test pairs whose output is known."""
    return ((index, pair.output) for index, pair in enumerate(task.test) if pair.output)


def n_unknown_outputs(tasks: Sequence[Task]) -> int:
    """How many test pairs have no known output."""
    return sum(not pair.output for task in tasks for pair in task.test)


def is_hidden(tasks: Sequence[Task]) -> bool:
    """Whether there are test pairs and the output of none is known, as in a competition's test file."""
    return any(task.test for task in tasks) and not any(pair.output for task in tasks for pair in task.test)


def without_hidden_tests(task: Task) -> Task:
    """The task as a training may use it: without its test pairs if the output of any is unknown."""
    return task if all(pair.output for pair in task.test) else replace(task, test=())


def blanked(task: Task) -> Task:
    """The task with an output of one cell for each test pair that has none: prompts can be rendered of it."""
    return replace(task, test=tuple(pair if pair.output else Pair(pair.input, ((0,),)) for pair in task.test))


def solutions_note(tasks_by_dataset: Mapping[str, Sequence[Task]]) -> str:
    """What to say of the datasets whose outputs are not all known; empty if there are none."""
    return "; ".join(filter(None, (_note(name, tasks) for name, tasks in tasks_by_dataset.items())))


def _note(name: str, tasks: Sequence[Task]) -> str:
    if is_hidden(tasks):
        return f"{name} has {NO_SOLUTIONS}"
    unknown = n_unknown_outputs(tasks)
    return f"{unknown} test pairs of {name} have no solution and are left out" if unknown else ""
