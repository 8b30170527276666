"""Scores any file in Kaggle's format of the ARC Prize, whoever made it. Knows nothing of candidates, votes or models.

What Kaggle would count as wrong counts as wrong and is listed; a structure that cannot be read as a submission stops.
"""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from arc_pipeline.arc.evaluation.voting import ATTEMPT_NAMES
from arc_pipeline.arc.tasks.documents import parse_json
from arc_pipeline.arc.tasks.files import DataFile
from arc_pipeline.arc.tasks.solutions import is_hidden, n_unknown_outputs
from arc_pipeline.arc.tasks.task import Grid, Task, grid_problem, to_grid
from arc_pipeline.errors import Fault, FaultyInput

SHAPE = 'a submission is {task_id: [{"attempt_1": grid, "attempt_2": grid}, ...]}'


def read_submission(path: Path) -> object:
    """The JSON of the file, read as files of tasks are (a byte order mark, UTF-16, .gz), unchecked: `score_submission`
    checks it."""
    file = DataFile(str(path), path, PurePosixPath(path.name))
    return parse_json(file.shown, file.read("name the file of a submission"))


# of each score its rule, in words
RULES = {
    "pair_score": "Kaggle's rule, pass@2: solved test outputs / all test outputs, two attempts each",
    "task_score": "task mean, pass@2: the share of each task's test outputs that is solved, averaged over tasks",
    "solved": "tasks all of whose test outputs are solved",
}


def score_lines(scores: Mapping[str, Any]) -> list[str]:
    """The scores for a person, each with its rule."""
    return [f"{name}: {value}{f'  ({RULES[name]})' if name in RULES else ''}" for name, value in scores.items()]


def score_submission(submission: object, tasks: Sequence[Task], file: str) -> dict[str, Any]:
    """`task_score` (mean share of a task's test pairs), `pair_score` (share of all), `solved` (whole tasks), counts.

    `missing_tasks` count 0; `unknown_tasks` count nothing; `problems` lists what else counts as wrong, in words.
    Tasks without test pairs are left out.
    """
    evaluated = [task for task in tasks if task.test]
    if unknown := n_unknown_outputs(evaluated):
        problem = "the dataset has no solutions" if is_hidden(evaluated) else "some test pairs have no solution"
        raise FaultyInput([Fault(file, "", f"cannot be scored: {problem}", f"{unknown} test pairs without output")])
    if not evaluated:
        raise FaultyInput([Fault(file, "", "there are no test pairs to score it on", f"{len(tasks)} tasks")])
    entries = _checked(submission, file)
    solved = [_solved_pairs(task, entries.get(task.task_id, [])) for task in evaluated]
    test_pairs = sum(len(pairs) for pairs in solved)
    return {
        "task_score": sum(sum(pairs) / len(pairs) for pairs in solved) / len(evaluated),
        "pair_score": sum(map(sum, solved)) / test_pairs,
        "solved": sum(map(all, solved)),
        "tasks": len(evaluated),
        "solved_pairs": sum(map(sum, solved)),
        "test_pairs": test_pairs,
        "missing_tasks": [task.task_id for task in evaluated if task.task_id not in entries],
        "unknown_tasks": sorted(entries.keys() - {task.task_id for task in tasks}),
        "problems": [str(fault) for task in evaluated for fault in _problems(task, entries.get(task.task_id), file)],
    }


def _checked(submission: object, file: str) -> Mapping[str, list[dict[str, object]]]:
    if not isinstance(submission, dict):
        raise FaultyInput([Fault(file, "", SHAPE, reprlib.repr(submission))])
    faults = [fault for task_id, entries in submission.items() for fault in _structure_faults(task_id, entries, file)]
    if faults:
        raise FaultyInput(faults)
    return submission


def _structure_faults(task_id: str, entries: object, file: str) -> Iterator[Fault]:
    if not isinstance(entries, list):
        yield Fault(file, f"task {task_id}", SHAPE, reprlib.repr(entries))
        return
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            yield Fault(file, f"task {task_id}, test pair {index}", SHAPE, reprlib.repr(entry))


def _solved_pairs(task: Task, entries: Sequence[Mapping[str, object]]) -> list[bool]:
    answered = [pair.output in _grids(entry) for pair, entry in zip(task.test, entries, strict=False)]
    return answered + [False] * (len(task.test) - len(answered))


def _grids(entry: Mapping[str, object]) -> list[Grid]:
    attempts = (entry.get(name) for name in ATTEMPT_NAMES)
    return [to_grid(attempt) for attempt in attempts if grid_problem(attempt) is None]


def _problems(task: Task, entries: Sequence[Mapping[str, object]] | None, file: str) -> Iterator[Fault]:
    if entries is None:
        return
    if len(entries) != len(task.test):
        yield Fault(file, f"task {task.task_id}", f"the task has {len(task.test)} test pair(s)", str(len(entries)))
    for index, entry in enumerate(entries[: len(task.test)]):
        yield from _entry_problems(entry, file, f"task {task.task_id}, test pair {index}")


def _entry_problems(entry: Mapping[str, object], file: str, place: str) -> Iterator[Fault]:
    given = {name: entry[name] for name in ATTEMPT_NAMES if entry.get(name) is not None}
    if not given:
        yield Fault(file, place, "there is no attempt", reprlib.repr(entry))
    for name, attempt in given.items():
        if problem := grid_problem(attempt):
            yield Fault(file, f"{place}, {name}", problem)
