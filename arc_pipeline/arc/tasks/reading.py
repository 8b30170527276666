"""Documents to tasks: JSON in every layout that is read, with every fault collected before any is raised.

Knows nothing of where the documents come from: `file` is only what messages call them.
"""

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from arc_pipeline.arc.tasks.documents import RepeatingObject, parse_json
from arc_pipeline.arc.tasks.task import Grid, Pair, Task, grid_problem
from arc_pipeline.errors import Fault, FaultyInput


@dataclass
class Reading:
    """Turns documents into tasks and remembers every fault. A faulty grid is kept as an empty one: only `finish`
    returns tasks, and only if there was no fault."""

    faults: list[Fault] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    file_of: dict[str, str] = field(default_factory=dict)
    # equal rows of grids are one object: generated data is large
    _rows: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)

    @contextmanager
    def collecting_faults(self) -> Iterator[None]:
        """Continues after an unusable file, with its faults noted."""
        try:
            yield
        except FaultyInput as exc:
            self.faults += exc.faults

    def finish(self) -> list[Task]:
        """The tasks, sorted by id; FaultyInput if there was any fault."""
        if self.faults:
            raise FaultyInput(self.faults)
        return [task for _, task in sorted(self.tasks.items())]

    def add_file(self, file: str, lone_id: str, content: bytes) -> None:
        """One task or one list of pairs (a task without test pairs, as RE-ARC has), then called `lone_id`, or an
        object from task ids to either."""
        document = parse_json(file, content)
        lone = not isinstance(document, dict) or not document.keys().isdisjoint(("train", "test"))
        self.add_tasks(file, {lone_id: document} if lone else document)

    def add_tasks(self, file: str, document: object) -> None:
        """An object from task ids to tasks or lists of pairs."""
        for task_id, value in self.mapping(file, document).items():
            self._add(file, self._task(file, task_id, value))

    def add_kaggle_tasks(
        self, files: tuple[str, ...], challenges: Mapping[str, object], solutions: Mapping[str, object]
    ) -> None:
        """Tasks whose test outputs are in another document; `files` are the names of both."""
        challenges_file, solutions_file = files
        for task_id, value in challenges.items():
            task = self._task(challenges_file, task_id, value, test_parts=("input",))
            if task_id not in solutions:
                self._fault(solutions_file, f"task {task_id}", "the solution is missing")
                continue
            outputs = self._solution(solutions_file, task_id, _n_test_pairs(value), solutions[task_id])
            test = tuple(Pair(pair.input, output) for pair, output in zip(task.test, outputs, strict=False))
            self._add(challenges_file, Task(task_id, task.train, test))
        for task_id in solutions.keys() - challenges.keys():
            self._fault(solutions_file, f"task {task_id}", f"a solution of no task in {challenges_file}")

    def mapping(self, file: str, document: object) -> Mapping[str, object]:
        """The document as an object from task ids, empty with a fault noted if it is none."""
        if not isinstance(document, dict) or not document:
            self._fault(file, "", "expected an object from task ids to tasks", _short(document))
            return {}
        self._note_repeats(file, "", document)
        return document

    def _fault(self, file: str, place: str, problem: str, value: str = "") -> None:
        self.faults.append(Fault(file, place, problem, value))

    def _note_repeats(self, file: str, place: str, document: object) -> None:
        for key in document.repeated if isinstance(document, RepeatingObject) else ():
            what = f"key {key!r}" if place else "task id"
            self._fault(file, place or f"task {key}", f"{what} occurs more than once in this file")

    def _add(self, file: str, task: Task) -> None:
        if not task.task_id or not task.task_id.isprintable():
            problem = "a task id must have characters, and only such as can be printed; give it another"
            self._fault(file, f"task {task.task_id!a}", problem)
            return
        if task.task_id in self.tasks:
            self._fault(file, f"task {task.task_id}", f"task id is also in {self.file_of[task.task_id]}")
        self.tasks[task.task_id] = task
        self.file_of[task.task_id] = file

    def _task(self, file: str, task_id: str, value: object, test_parts: tuple[str, ...] = ("input", "output")) -> Task:
        place = f"task {task_id}"
        if isinstance(value, list):
            return Task(task_id, self._train(file, place, value), ())
        if not isinstance(value, dict):
            self._fault(file, place, "a task is an object with train and test, or a list of pairs", _short(value))
            return Task(task_id, (), ())
        self._note_repeats(file, place, value)
        for key in ("train", "test"):
            if key not in value:
                self._fault(file, place, f"the key {key!r} is missing", f"keys {sorted(value)}")
        train = self._train(file, place, value["train"]) if "train" in value else ()
        test = self._pairs(file, f"{place}, test", value["test"], test_parts) if "test" in value else ()
        return Task(task_id, train, test)

    def _train(self, file: str, place: str, value: object) -> tuple[Pair, ...]:
        if value == []:
            self._fault(file, f"{place}, train", "there must be at least one train pair", "[]")
        return self._pairs(file, f"{place}, train", value)

    def _pairs(
        self, file: str, place: str, value: object, parts: tuple[str, ...] = ("input", "output")
    ) -> tuple[Pair, ...]:
        if not isinstance(value, list):
            self._fault(file, place, "expected a list of pairs", _short(value))
            return ()
        return tuple(self._pair(file, f"{place} pair {index}", pair, parts) for index, pair in enumerate(value))

    def _pair(self, file: str, place: str, value: object, parts: tuple[str, ...]) -> Pair:
        if not isinstance(value, dict):
            self._fault(file, place, "a pair is an object with input and output", _short(value))
            return Pair((), ())
        self._note_repeats(file, place, value)
        grids: dict[str, Grid] = {}
        for part in parts:
            if part in value:
                grids[part] = self._grid(file, f"{place}, {part}", value[part])
            else:
                self._fault(file, place, f"the {part} is missing", f"keys {sorted(value)}")
        return Pair(grids.get("input", ()), grids.get("output", ()))

    def _solution(self, file: str, task_id: str, n_test_pairs: int | None, value: object) -> list[Grid]:
        place = f"task {task_id}"
        if not isinstance(value, list):
            self._fault(file, place, "a solution is a list of output grids", _short(value))
            return []
        if n_test_pairs not in (None, len(value)):
            self._fault(file, place, f"expected one solution for each of {n_test_pairs} test pairs", str(len(value)))
        return [self._grid(file, f"{place}, test pair {index}, output", grid) for index, grid in enumerate(value)]

    def _grid(self, file: str, place: str, value: object) -> Grid:
        if grid_problem(value) is None:
            return tuple(self._rows.setdefault(row, row) for row in map(tuple, value))  # type: ignore[call-overload]
        for problem in _grid_problems(value):
            problem, _, part = problem.partition(", found ")
            self._fault(file, place, problem, part)
        return ()


def _n_test_pairs(value: object) -> int | None:
    """How many test pairs a task has, None if it is too faulty to tell."""
    test = value.get("test") if isinstance(value, dict) else [] if isinstance(value, list) else None
    return len(test) if isinstance(test, list) else None


def _grid_problems(value: object) -> Iterator[str]:
    """All problems of a faulty grid: its shape, and each wrong colour once, however many cells have it."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        yield str(grid_problem(value))
        return
    if problem := grid_problem([[0] * len(row) for row in value]):
        yield problem
    seen = set()
    for row, colours in enumerate(value):
        for column, colour in enumerate(colours):
            problem = grid_problem([[colour]])
            if problem and problem not in seen:
                seen.add(problem)
                yield problem.replace("row 0:", f"row {row}, column {column}:", 1)


def _short(value: object) -> str:
    return reprlib.repr(value)
