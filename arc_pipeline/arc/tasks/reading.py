"""Documents to tasks: every layout that is read, with every fault collected before any is raised.

Knows nothing of where the documents come from: `file` is only what messages call them.
"""

import json
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from arc_pipeline.arc.tasks.documents import RepeatingObject, parse_json
from arc_pipeline.arc.tasks.packed_task import UNPACKED_PAIRS, PackedTask, renamed
from arc_pipeline.arc.tasks.task import Grid, Pair, Task, grid_problem
from arc_pipeline.errors import Fault, FaultyInput

# a row of a table of tasks is called by the first of these that it has
IDS = ("task_id", "id")
# what a task has; `examples` are pairs without a test, each a list of two grids
PARTS_OF_TASK = ("train", "test", "examples")


@dataclass
class Reading:
    """Turns documents into tasks and remembers every fault. A faulty grid is kept as an empty one: only `finish`
    returns tasks, and only if there was no fault.

    With `leave_out` a pair with a fault is left out instead, and a task without a train pair left; `left_out` lists
    them. A task id that is in several folders becomes the path of the folder and the id.
    """

    leave_out: bool = False
    faults: list[Fault] = field(default_factory=list)
    left_out: list[Fault] = field(default_factory=list)
    unread: list[Fault] = field(default_factory=list)
    # by folder and task id
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    file_of: dict[tuple[str, str], str] = field(default_factory=dict)
    _folder: str = ""
    _unanswered: list[Fault] = field(default_factory=list)
    _answered: bool = False
    _n_pairs: int = 0
    # equal rows of grids are one object, as long as tasks are not packed
    _rows: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)

    @contextmanager
    def collecting_faults(self, folder: str = "") -> Iterator[None]:
        """Continues after an unusable file, with its faults noted; the file is in that folder."""
        self._folder = folder
        try:
            yield
        except FaultyInput as exc:
            self.faults += exc.faults

    def finish(self) -> list[Task]:
        """The tasks, sorted by id; FaultyInput if there was any fault.

        A test pair without output is a fault where others have one; where none has, it is a question to answer.
        """
        faults = self.faults + (self._unanswered if self._answered else [])
        tasks = {} if faults else self._by_id()
        if faults or self.faults:
            raise FaultyInput(faults or self.faults)
        return [task for _, task in sorted(tasks.items())]

    def _by_id(self) -> dict[str, Task]:
        """The tasks, those whose id is in several folders by their path."""
        folders = Counter(task_id for _, task_id in self.tasks)
        by_id: dict[str, Task] = {}
        for (folder, task_id), task in self.tasks.items():
            place = f"{folder}/{task_id}" if folder and folders[task_id] > 1 else task_id
            if place in by_id:
                self._fault(self.file_of[folder, task_id], f"task {place}", "task id occurs more than once")
            by_id[place] = task if place == task_id else renamed(task, place)
        return by_id

    def add_file(self, file: str, lone_id: str, content: bytes) -> None:
        """Any JSON document of tasks, see `add_document`."""
        self.add_document(file, lone_id, parse_json(file, content))

    def add_document(self, file: str, lone_id: str, document: object) -> None:
        """One task, one list of pairs (a task without test pairs, as RE-ARC has), a list of tasks, an object from task
        ids to either, or any of these as `tasks` of an object. A task that is alone is called `lone_id`."""
        if isinstance(document, dict) and _is_wrapped(document):
            self.add_document(file, lone_id, document["tasks"])
        elif isinstance(document, list) and any(map(_is_task, document)):
            self.add_rows(file, lone_id, enumerate(document, 1))
        elif not isinstance(document, dict) or _is_task(document):
            self._add(file, self._task(file, lone_id, document))
        else:
            self.add_tasks(file, document)

    def add_rows(self, file: str, stem: str, rows: Iterable[tuple[int, object]]) -> None:
        """Tasks with a number each; one that has no id is called by the stem and its number."""
        for number, row in rows:
            if isinstance(row, dict) and not _is_task(row):
                self.add_tasks(f"{file} row {number}", row)
            else:
                task_id = _row_id(row) if isinstance(row, dict) else None
                name = f"{stem}-{number:06}" if task_id is None else task_id
                self._add(file, self._task(file, name, _unpacked(row)))

    def add_tasks(self, file: str, document: object) -> None:
        """An object from task ids to tasks or lists of pairs; a key like `_comment` with a text is no task."""
        for task_id, value in self.mapping(file, document).items():
            if task_id.startswith("_") and not isinstance(value, (dict, list)):
                self.unread.append(Fault(file, f"key {task_id}", "is a remark and no task"))
            else:
                self._add(file, self._task(file, task_id, value))

    def add_kaggle_tasks(
        self, files: tuple[str, ...], challenges: Mapping[str, object], solutions: Mapping[str, object]
    ) -> None:
        """Tasks whose test outputs are in another document; `files` are the names of both."""
        challenges_file, solutions_file = files
        for task_id, value in challenges.items():
            questions = self._task(challenges_file, task_id, value, test_parts=("input",))
            if task_id not in solutions:
                self._fault(solutions_file, f"task {task_id}", "the solution is missing")
                continue
            outputs = self._solution(solutions_file, task_id, _n_test_pairs(value), solutions[task_id])
            pairs = zip(questions.test, outputs, strict=False)
            test = [Pair(pair.input, output) for pair, output in pairs]
            if self.leave_out:
                test = [pair for pair in test if pair.input and pair.output]
            self._add(challenges_file, Task(task_id, questions.train, tuple(test)))
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
        if self.leave_out and not task.train:
            self.left_out.append(Fault(file, f"task {task.task_id}", "no train pair is left"))
            return
        key = self._folder, task.task_id
        if key in self.tasks:
            self._fault(file, f"task {task.task_id}", f"task id is also in {self.file_of[key]}")
        self._n_pairs += len(task.pairs)
        self.tasks[key] = PackedTask.of(task) if self._n_pairs > UNPACKED_PAIRS else task
        self.file_of[key] = file

    def _task(self, file: str, task_id: str, value: object, test_parts: tuple[str, ...] = ("input", "output")) -> Task:
        place = f"task {task_id}"
        if isinstance(value, dict) and "examples" in value and value.keys().isdisjoint(("train", "test")):
            value = value["examples"]
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
        test = self._tests(file, f"{place}, test", value["test"], test_parts) if "test" in value else ()
        return Task(task_id, train, test)

    def _train(self, file: str, place: str, value: object) -> tuple[Pair, ...]:
        if value == []:
            self._fault(file, f"{place}, train", "there must be at least one train pair", "[]")
        return self._pairs(file, f"{place}, train", value)

    def _tests(self, file: str, place: str, value: object, parts: tuple[str, ...]) -> tuple[Pair, ...]:
        """Test pairs; those without output are noted, for only all tasks together say whether that is a fault."""
        if parts == ("input",) or not isinstance(value, list):
            # beside solutions each one keeps its place
            return self._pairs(file, place, value, parts, keep_places=True)
        pairs: list[Pair] = []
        for index, pair in enumerate(value):
            hidden = isinstance(pair, dict) and pair.get("output") is None
            self._answered |= not hidden
            if hidden:
                keys = f"keys {sorted(pair)}"
                problem = "the output is missing; give it to all test pairs, or to none if they are to be predicted"
                self._unanswered.append(Fault(file, f"{place} pair {index}", problem, keys))
            pairs += self._kept(file, f"{place} pair {index}", pair, ("input",) if hidden else parts)
        return tuple(pairs)

    def _pairs(
        self,
        file: str,
        place: str,
        value: object,
        parts: tuple[str, ...] = ("input", "output"),
        keep_places: bool = False,
    ) -> tuple[Pair, ...]:
        if not isinstance(value, list):
            self._fault(file, place, "expected a list of pairs", _short(value))
            return ()
        pairs: list[Pair] = []
        for index, pair in enumerate(value):
            kept = self._kept(file, f"{place} pair {index}", pair, parts)
            pairs += kept or ([Pair((), ())] if keep_places else [])
        return tuple(pairs)

    def _kept(self, file: str, place: str, value: object, parts: tuple[str, ...]) -> list[Pair]:
        """The pair; nothing of a faulty one that is left out."""
        before = len(self.faults)
        pair = self._pair(file, place, value, parts)
        return [] if self._leaves_out(before) else [pair]

    def _leaves_out(self, before: int) -> bool:
        """Whether what was read since there were so many faults is left out: the new faults are then noted as such."""
        if not self.leave_out or len(self.faults) == before:
            return False
        self.left_out += self.faults[before:]
        del self.faults[before:]
        return True

    def _pair(self, file: str, place: str, value: object, parts: tuple[str, ...]) -> Pair:
        if isinstance(value, list) and len(value) == 2:
            value = {"input": value[0], "output": value[1]}
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
        outputs = []
        for index, grid in enumerate(value):
            before = len(self.faults)
            output = self._grid(file, f"{place}, test pair {index}, output", grid)
            outputs.append(() if self._leaves_out(before) else output)
        return outputs

    def _grid(self, file: str, place: str, value: object) -> Grid:
        if grid_problem(value) is None:
            rows = map(tuple, value)  # type: ignore[call-overload]
            kept = self._rows if self._n_pairs <= UNPACKED_PAIRS else {}
            return tuple(kept.setdefault(row, row) for row in rows)
        for problem in _grid_problems(value):
            problem, _, part = problem.partition(", found ")
            self._fault(file, place, problem, part)
        return ()


def _is_wrapped(document: Mapping[str, object]) -> bool:
    """Whether the tasks are one field of the document, beside others that describe them."""
    tasks = document.get("tasks")
    return isinstance(tasks, (dict, list)) and not _is_task(document) and not _is_task(tasks)


def _is_task(value: object) -> bool:
    return isinstance(value, dict) and not value.keys().isdisjoint(PARTS_OF_TASK)


def _row_id(row: Mapping[str, object]) -> str | None:
    """What a row of a table says that it is called."""
    given = (row.get(name) for name in IDS)
    return next((str(name) for name in given if isinstance(name, (str, int))), None)


def _unpacked(row: object) -> object:
    """The row with its pairs as lists, where a table has them as text."""
    if not isinstance(row, dict) or not any(isinstance(row.get(part), str) for part in PARTS_OF_TASK):
        return row
    return {key: _parsed(value) if key in PARTS_OF_TASK else value for key, value in row.items()}


def _parsed(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


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
