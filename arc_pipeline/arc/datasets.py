"""Datasets: what `datasets.yaml` and `raw/` define, composed by reference, as tasks, as a table and as a hash.

Knows nothing of Dagster or of tokens: how long a task is comes from a function that the caller passes in.
"""

import difflib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic_core import ErrorDetails

from arc_pipeline.arc.errors import Fault, FaultyInput
from arc_pipeline.arc.sources import ArckitSource, Source, raw_sources, read_bytes
from arc_pipeline.arc.task import Grid, Pair, Task, shape

SPEC_FILE = "datasets.yaml"
Length: TypeAlias = Callable[[Task], int]


class _Derivation(BaseModel):
    """Tasks made of the tasks of other datasets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def parents(self) -> tuple[str, ...]:
        raise NotImplementedError

    def derive(self, name: str, parents: Sequence[list[Task]], length: Length | None) -> list[Task]:
        """The tasks of the dataset `name`, sorted by id, given those of its parents."""
        raise NotImplementedError


class Union(_Derivation):
    """All tasks of several datasets. A task that two of them hold alike counts once; if it differs it is a fault."""

    union: Annotated[tuple[str, ...], Field(min_length=1)]

    def parents(self) -> tuple[str, ...]:
        return self.union

    def derive(self, name: str, parents: Sequence[list[Task]], length: Length | None) -> list[Task]:
        merged: dict[str, tuple[Task, str]] = {}
        faults = []
        for parent, tasks in zip(self.union, parents, strict=True):
            for task in tasks:
                kept, origin = merged.setdefault(task.task_id, (task, parent))
                if kept != task:
                    problem = f"task {task.task_id} differs between {origin} and {parent}: leave one out by task_ids"
                    faults.append(_fault(f"{name}.union", problem))
        if faults:
            raise FaultyInput(faults)
        return [task for _, (task, _) in sorted(merged.items())]


class _Selection(_Derivation):
    of: str

    def parents(self) -> tuple[str, ...]:
        return (self.of,)

    def derive(self, name: str, parents: Sequence[list[Task]], length: Length | None) -> list[Task]:
        return sorted(self.select(name, parents[0], length), key=lambda task: task.task_id)

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        raise NotImplementedError


class TaskIds(_Selection):
    """The tasks of the given ids."""

    task_ids: Annotated[tuple[str, ...], Field(min_length=1)]

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        by_id = {task.task_id: task for task in tasks}
        if unknown := [task_id for task_id in self.task_ids if task_id not in by_id]:
            problem = f"{self.of} has no such task"
            raise FaultyInput([_fault(f"{name}.task_ids", problem + _hint(one, by_id), one) for one in unknown])
        return [by_id[task_id] for task_id in sorted(set(self.task_ids))]


class Split(BaseModel):
    """One part of a random split: `validation` tasks, or the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int
    part: Literal["train", "validation"]
    validation: PositiveInt


class RandomSplit(_Selection):
    """One of the two parts of a split. The order is that of hashes of seed and task id, the same on every platform
    and in every release of Python."""

    random_split: Split

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        split = self.random_split
        if split.validation >= len(tasks):
            problem = f"must leave a task for training: {self.of} has {len(tasks)} tasks"
            raise FaultyInput([_fault(f"{name}.random_split.validation", problem, str(split.validation))])
        shuffled = sorted(tasks, key=lambda task: hashlib.sha256(f"{split.seed}:{task.task_id}".encode()).digest())
        return shuffled[: split.validation] if split.part == "validation" else shuffled[split.validation :]


class LeaveOneOut(_Selection):
    """For test-time training ("n-1"): the first train pair becomes the only test pair, so that training never sees
    the real test pairs. A task with a single train pair would have no demonstration left; it is dropped, because one
    such task in a corpus must not bar the others, and `Catalogue.dropped` names it."""

    leave_one_out: Literal["true"]

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        kept = [Task(task.task_id, task.train[1:], task.train[:1]) for task in tasks if len(task.train) > 1]
        if not kept:
            raise FaultyInput([_fault(f"{name}.leave_one_out", f"no task of {self.of} has two train pairs")])
        return kept


class First(_Selection):
    """The first k tasks by id."""

    first: PositiveInt

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        _check_enough(f"{name}.first", self.first, self.of, tasks)
        return tasks[: self.first]


class Shortest(_Selection):
    """The k shortest tasks by the caller's count of tokens, then by id."""

    shortest: PositiveInt

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        _check_enough(f"{name}.shortest", self.shortest, self.of, tasks)
        if length is None:
            raise FaultyInput([_fault(f"{name}.shortest", "needs a count of tokens: pass Catalogue.read(length=...)")])
        return sorted(tasks, key=lambda task: (length(task), task.task_id))[: self.shortest]


KINDS: Mapping[str, type[ArckitSource] | type[_Derivation]] = {
    "source": ArckitSource,
    "union": Union,
    "task_ids": TaskIds,
    "random_split": RandomSplit,
    "leave_one_out": LeaveOneOut,
    "first": First,
    "shortest": Shortest,
}


@dataclass(frozen=True)
class Catalogue:
    """All datasets of a data directory. A faulty one is listed too, and reports its faults when it is used."""

    entries: Mapping[str, Source | _Derivation]
    faulty: Mapping[str, tuple[Fault, ...]]
    length: Length | None = None

    @classmethod
    def read(cls, data: Path, length: Length | None = None) -> "Catalogue":
        """Reads `datasets.yaml` and the names in `raw/`, no task yet. `length` counts the tokens of a task."""
        written = _read_specs(data)
        raw = raw_sources(data / "raw")
        entries: dict[str, Source | _Derivation] = {}
        faulty: dict[str, tuple[Fault, ...]] = {}
        for name in written.keys() | raw.keys():
            try:
                entries[name] = _entry(name, written, raw.get(name, []))
            except FaultyInput as exc:
                faulty[name] = exc.faults
        return cls(entries, faulty, length)

    def names(self) -> list[str]:
        """Every dataset whose name can be used, faulty ones included."""
        return sorted(name for name in (*self.entries, *self.faulty) if _is_name(name))

    def misnamed(self) -> tuple[Fault, ...]:
        """What `names` leaves out, and why."""
        return tuple(sorted(fault for name, faults in self.faulty.items() if not _is_name(name) for fault in faults))

    def load(self, name: str) -> list[Task]:
        """The tasks of a dataset, sorted by id; FaultyInput with every fault of everything it is made of."""
        return self._load_all(name)[name]

    def dropped(self, name: str) -> list[str]:
        """The ids that leave-one-out left out on the way to this dataset."""
        loaded = self._load_all(name)
        ids = {step: {task.task_id for task in tasks} for step, tasks in loaded.items()}
        steps = [(step, entry) for step in loaded if isinstance(entry := self.entries[step], LeaveOneOut)]
        return sorted(set().union(*(ids[entry.of] - ids[step] for step, entry in steps)))

    def source_files(self, name: str) -> dict[str, str]:
        """The SHA-256 of every file that the dataset is made from, by the name that messages show."""
        hashes: dict[str, str] = {}
        for step in self._steps(name):
            entry = self.entries[step]
            hashes |= {} if isinstance(entry, _Derivation) else entry.hashes()
        return dict(sorted(hashes.items()))

    def source_hash(self, name: str) -> str:
        """SHA-256 over the content of those files and the chain of derivations, whatever the datasets are called."""
        chain: dict[str, object] = {}
        for step in self._steps(name):
            entry = self.entries[step]
            spec = entry.model_dump(mode="json") if isinstance(entry, BaseModel) else {}
            if isinstance(entry, _Derivation):
                chain[step] = {**spec, "of": [chain[parent] for parent in entry.parents()], "union": None}
            else:
                chain[step] = {**spec, "files": entry.hashes()}
        canonical = json.dumps(chain[name], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _load_all(self, name: str) -> dict[str, list[Task]]:
        loaded: dict[str, list[Task]] = {}
        faults: list[Fault] = []
        for step in self._steps(name):
            entry = self.entries[step]
            try:
                if not isinstance(entry, _Derivation):
                    loaded[step] = entry.tasks()
                elif all(parent in loaded for parent in entry.parents()):
                    parents = [loaded[parent] for parent in entry.parents()]
                    loaded[step] = entry.derive(step, parents, self.length)
            except FaultyInput as exc:
                faults += exc.faults
        if faults:
            raise FaultyInput(faults)
        return loaded

    def _steps(self, name: str) -> list[str]:
        """The datasets that this one is made of, parents first, itself last."""
        graph: dict[str, tuple[str, ...]] = {}
        faults: list[Fault] = []
        waiting = [(name, name)]
        while waiting:
            step, child = waiting.pop()
            entry = self.entries.get(step)
            if entry is None:
                faults += self.faulty.get(step) or [_unknown(step, child, self.names())]
            elif step not in graph:
                graph[step] = entry.parents() if isinstance(entry, _Derivation) else ()
                waiting += [(parent, step) for parent in graph[step]]
        if faults:
            raise FaultyInput(list(dict.fromkeys(faults)))
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as exc:
            raise FaultyInput([_fault(name, "datasets are made of each other", " -> ".join(exc.args[1]))]) from exc


def _entry(name: str, written: Mapping[str, object], raw: Sequence[Source]) -> Source | _Derivation:
    if not _is_name(name):
        where = SPEC_FILE if name in written else raw[0].shown
        raise FaultyInput([Fault(where, "", "a dataset's name has only letters, digits and _ . - (no ..)", repr(name))])
    places = [SPEC_FILE] * (name in written) + [source.shown for source in raw]
    if len(places) > 1:
        problem = f"the dataset {name} is defined more than once: rename all but one of {', '.join(places)}"
        raise FaultyInput([Fault(places[0], name, problem)])
    return raw[0] if raw else _spec(name, written[name])


def _spec(name: str, entry: object) -> ArckitSource | _Derivation:
    keys = list(entry) if isinstance(entry, dict) else []
    kinds = [key for key in keys if key in KINDS]
    if len(kinds) != 1:
        hints = "".join(_hint(key, KINDS) for key in keys if key not in (*KINDS, "of"))
        raise FaultyInput([_fault(name, f"must have exactly one of {', '.join(KINDS)}{hints}", repr(entry))])
    try:
        return KINDS[kinds[0]].model_validate(entry)
    except ValidationError as exc:
        raise FaultyInput([_field_fault(name, error) for error in exc.errors()]) from exc


def _field_fault(name: str, error: ErrorDetails) -> Fault:
    place = ".".join([name, *map(str, error["loc"])])
    if error["type"] == "missing":
        return _fault(place, "the field is missing")
    if error["type"] == "extra_forbidden":
        return _fault(place, "unknown field", repr(error["input"]))
    return _fault(place, error["msg"], repr(error["input"]))


def _unknown(name: str, child: str, known: Sequence[str]) -> Fault:
    return _fault("" if child == name else child, f"there is no dataset {name!r}{_hint(name, known)}")


def _fault(place: str, problem: str, value: str = "") -> Fault:
    return Fault(SPEC_FILE, place, problem, value)


def _hint(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _check_enough(place: str, wanted: int, parent: str, tasks: Sequence[Task]) -> None:
    if wanted > len(tasks):
        raise FaultyInput([_fault(place, f"{parent} has only {len(tasks)} tasks", str(wanted))])


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_.-]+", name) is not None and ".." not in name


class _Loader(yaml.BaseLoader):
    """Leaves scalars as text (YAML would read the task id 00576224 as an octal number) and refuses repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is repeated", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _read_specs(data: Path) -> dict[str, object]:
    content = read_bytes(SPEC_FILE, data / SPEC_FILE)
    try:
        # a subclass of BaseLoader constructs plain text, lists and dicts only
        document = yaml.load(content, Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise FaultyInput([_fault(place, f"broken YAML: {getattr(exc, 'problem', None) or exc}")]) from exc
    if document is not None and not isinstance(document, dict):
        raise FaultyInput(
            [_fault("", "expected a mapping from dataset names to what they are made of", repr(document))]
        )
    return document or {}


_GRID = pa.list_(pa.list_(pa.int8()))
TASKS_SCHEMA = pa.schema(
    {"task_id": pa.string(), "split": pa.string(), "pair_index": pa.int16(), "input": _GRID, "output": _GRID}
    | {f"{part}_{side}": pa.int16() for part in ("input", "output") for side in ("rows", "cols")}
)


def tasks_table(tasks: Sequence[Task]) -> pa.Table:
    """One row a pair; `pair_index` counts within the split."""
    rows = [
        (task.task_id, split, index, pair.input, pair.output, *shape(pair.input), *shape(pair.output))
        for task in tasks
        for split, pairs in (("train", task.train), ("test", task.test))
        for index, pair in enumerate(pairs)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(TASKS_SCHEMA)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, TASKS_SCHEMA.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TASKS_SCHEMA)


def tasks_from_table(table: pa.Table) -> list[Task]:
    """The inverse of `tasks_table`: tasks in the order of their first rows."""
    columns = [table[name].to_pylist() for name in ("task_id", "split", "pair_index", "input", "output")]
    pairs: defaultdict[str, dict[str, dict[int, Pair]]] = defaultdict(lambda: {"train": {}, "test": {}})
    for task_id, split, index, source, target in zip(*columns, strict=True):
        pairs[task_id][split][index] = Pair(_grid(source), _grid(target))
    return [Task(task_id, _in_order(splits["train"]), _in_order(splits["test"])) for task_id, splits in pairs.items()]


def _in_order(pairs: Mapping[int, Pair]) -> tuple[Pair, ...]:
    return tuple(pair for _, pair in sorted(pairs.items()))


def _grid(rows: list[list[int]]) -> Grid:
    return tuple(map(tuple, rows))
