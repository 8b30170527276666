"""`datasets.yaml`: the forms of its entries, and how each derives a dataset from others. Knows nothing of tokens.

How long a task is comes from a function that the caller passes in.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from arc_pipeline.arc.names import did_you_mean
from arc_pipeline.arc.tasks.documents import TextLoader, field_faults, parse_yaml, read_bytes
from arc_pipeline.arc.tasks.identity import equal_tasks
from arc_pipeline.arc.tasks.sources import ArckitSource
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import Fault, FaultyInput

SPEC_FILE = "datasets.yaml"
Length: TypeAlias = Callable[[Task], int]


def spec_fault(place: str, problem: str, value: str = "") -> Fault:
    """A fault in `datasets.yaml`."""
    return Fault(SPEC_FILE, place, problem, value)


class Derivation(BaseModel):
    """Tasks made of the tasks of other datasets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def parents(self) -> tuple[str, ...]:
        raise NotImplementedError

    def derive(self, name: str, parents: Sequence[list[Task]], length: Length | None) -> list[Task]:
        """The tasks of the dataset `name`, sorted by id, given those of its parents."""
        raise NotImplementedError


class Union(Derivation):
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
                    faults.append(spec_fault(f"{name}.union", problem))
        if faults:
            raise FaultyInput(faults)
        return [task for _, (task, _) in sorted(merged.items())]


class _Selection(Derivation):
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
            raise FaultyInput(
                [spec_fault(f"{name}.task_ids", problem + did_you_mean(one, by_id), one) for one in unknown]
            )
        return [by_id[task_id] for task_id in sorted(set(self.task_ids))]


class Split(BaseModel):
    """One part of a random split: `validation` tasks, or the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int
    part: Literal["train", "validation"]
    validation: PositiveInt


class RandomSplit(_Selection):
    """One of the two parts of a split. The order is that of hashes of seed and task id, the same on every platform
    and in every release of Python. Tasks that are equal, also up to augmentation, are on one side."""

    random_split: Split

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        split = self.random_split
        if split.validation >= len(tasks):
            problem = f"must leave a task for training: {self.of} has {len(tasks)} tasks"
            raise FaultyInput([spec_fault(f"{name}.random_split.validation", problem, str(split.validation))])
        shuffled = sorted(tasks, key=lambda task: hashlib.sha256(f"{split.seed}:{task.task_id}".encode()).digest())
        validation = _first_groups(shuffled, split.validation)
        if not validation:
            problem = f"equal tasks stay together: {self.of} has no {split.validation} that are equal to no others"
            raise FaultyInput([spec_fault(f"{name}.random_split.validation", problem, str(split.validation))])
        return [task for task in tasks if (task.task_id in validation) == (split.part == "validation")]


def _first_groups(tasks: Sequence[Task], most: int) -> set[str]:
    """The ids of the first tasks, at most so many; equal tasks are taken together, where there is room for all."""
    groups: dict[object, list[str]] = {}
    equal = equal_tasks(tasks)
    for task in tasks:
        groups.setdefault(equal.get(task.task_id, task.task_id), []).append(task.task_id)
    taken: set[str] = set()
    for group in groups.values():
        if len(taken) + len(group) <= most:
            taken.update(group)
    return taken


class LeaveOneOut(_Selection):
    """For test-time training ("n-1"): the first train pair becomes the only test pair, so that training never sees
    the real test pairs. A task with a single train pair would have no demonstration left; it is dropped, because one
    such task in a corpus must not bar the others, and `Catalogue.dropped` names it."""

    leave_one_out: Literal["true"]

    def select(self, name: str, tasks: list[Task], length: Length | None) -> list[Task]:
        kept = [Task(task.task_id, task.train[1:], task.train[:1]) for task in tasks if len(task.train) > 1]
        if not kept:
            raise FaultyInput([spec_fault(f"{name}.leave_one_out", f"no task of {self.of} has two train pairs")])
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
            raise FaultyInput(
                [spec_fault(f"{name}.shortest", "needs a count of tokens: pass Catalogue.read(length=...)")]
            )
        return sorted(tasks, key=lambda task: (length(task), task.task_id))[: self.shortest]


def _check_enough(place: str, wanted: int, parent: str, tasks: Sequence[Task]) -> None:
    if wanted > len(tasks):
        raise FaultyInput([spec_fault(place, f"{parent} has only {len(tasks)} tasks", str(wanted))])


KINDS: Mapping[str, type[ArckitSource] | type[Derivation]] = {
    "source": ArckitSource,
    "union": Union,
    "task_ids": TaskIds,
    "random_split": RandomSplit,
    "leave_one_out": LeaveOneOut,
    "first": First,
    "shortest": Shortest,
}


class RawSettings(BaseModel):
    """What may be said of a dataset in `raw/`, whose name the entry has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    on_faulty_pair: Literal["refuse", "leave-out"]


def parse_settings(name: str, entry: object) -> RawSettings | None:
    """What the entry says of a dataset in `raw/`, None if it defines one of its own."""
    if not isinstance(entry, dict) or "on_faulty_pair" not in entry or entry.keys() & KINDS.keys():
        return None
    try:
        return RawSettings.model_validate(entry)
    except ValidationError as exc:
        raise FaultyInput(field_faults(SPEC_FILE, exc, RawSettings, name)) from exc


def read_specs(data: Path) -> dict[str, object]:
    """The entries of the file, unchecked, by the names of their datasets."""
    document = parse_yaml(SPEC_FILE, read_bytes(SPEC_FILE, data / SPEC_FILE), TextLoader)
    if document is not None and not isinstance(document, dict):
        raise FaultyInput([spec_fault("", "expected dataset names, each with what it is made of", repr(document))])
    return document or {}


def parse_spec(name: str, entry: object) -> ArckitSource | Derivation:
    """What the entry describes; FaultyInput with every field that is wrong."""
    keys = list(entry) if isinstance(entry, dict) else []
    kinds = [key for key in keys if key in KINDS]
    if len(kinds) != 1:
        hints = "".join(did_you_mean(key, KINDS) for key in keys if key not in (*KINDS, "of"))
        raise FaultyInput([spec_fault(name, f"must have exactly one of {', '.join(KINDS)}{hints}", repr(entry))])
    kind = KINDS[kinds[0]]
    try:
        return kind.model_validate(entry)
    except ValidationError as exc:
        raise FaultyInput(field_faults(SPEC_FILE, exc, kind, name)) from exc
