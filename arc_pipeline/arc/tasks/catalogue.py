"""Datasets: what `datasets.yaml` and `raw/` define, composed by reference, as tasks and as a hash.

Knows nothing of Dagster or of tokens: how long a task is comes from a function that the caller passes in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from arc_pipeline.arc.names import NAME_RULE, did_you_mean, did_you_mean_or_all, is_name
from arc_pipeline.arc.tasks.derivations import (
    SPEC_FILE,
    Derivation,
    LeaveOneOut,
    Length,
    parse_settings,
    parse_spec,
    read_specs,
    spec_fault,
)
from arc_pipeline.arc.tasks.sources import RawSource, Source, TaskFiles, raw_data
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError, Fault, FaultyInput
from arc_pipeline.store.artefact import hash_json

MOST_MATCHES = 3


@dataclass(frozen=True)
class LoadedDataset:
    """The tasks of a dataset; the ids that leave-one-out dropped, the faulty pairs that were left out on purpose, and
    the files that were not read."""

    tasks: list[Task]
    dropped: list[str]
    left_out: list[Fault]
    unread: list[Fault]


@dataclass(frozen=True)
class Catalogue:
    """All datasets of a data directory. A faulty one is listed too, and reports its faults when it is used."""

    entries: Mapping[str, Source | Derivation]
    faulty: Mapping[str, tuple[Fault, ...]]
    length: Length | None = None
    unread: tuple[Fault, ...] = ()

    @classmethod
    def read(cls, data: Path, length: Length | None = None) -> "Catalogue":
        """Reads `datasets.yaml` and the names in `raw/`, no task yet. `length` counts the tokens of a task."""
        written = read_specs(data)
        raw = raw_data(data / "raw")
        entries: dict[str, Source | Derivation] = {}
        faulty: dict[str, tuple[Fault, ...]] = {}
        for name in written.keys() | raw.sources.keys():
            try:
                entries[name] = _entry(name, written, raw.sources.get(name, []))
            except FaultyInput as exc:
                faulty[name] = exc.faults
        return cls(entries, faulty, length, raw.ignored)

    def names(self) -> list[str]:
        """Every dataset whose name can be used, faulty ones included."""
        return sorted(name for name in (*self.entries, *self.faulty) if is_name(name))

    def misnamed(self) -> tuple[Fault, ...]:
        """What `names` leaves out, and why."""
        return tuple(sorted(fault for name, faults in self.faulty.items() if not is_name(name) for fault in faults))

    def ignored(self) -> list[Fault]:
        """The files in `raw/` that are not read, each with the reason; of a folder that is a dataset, too."""
        inside = (entry.ignored() for entry in self.entries.values() if isinstance(entry, TaskFiles))
        return sorted([*self.unread, *(fault for faults in inside for fault in faults)])

    def own_datasets(self) -> list[str]:
        """Those that are not derived from others: every task is in one of them, as it was written."""
        return [name for name in self.names() if not isinstance(self.entries.get(name), Derivation)]

    def load(self, name: str) -> list[Task]:
        """The tasks of a dataset, sorted by id; FaultyInput with every fault of everything it is made of."""
        return self.read_dataset(name).tasks

    def read_dataset(self, name: str) -> "LoadedDataset":
        """The same, with what was left out or not read on the way."""
        loaded: dict[str, list[Task]] = {}
        dropped: set[str] = set()
        faults: list[Fault] = []
        left_out: list[Fault] = []
        unread: list[Fault] = []
        steps = self._steps(name)
        for place, step in enumerate(steps):
            entry = self.entries[step]
            try:
                if not isinstance(entry, Derivation):
                    reading = entry.reading()
                    loaded[step] = reading.finish()
                    left_out, unread = left_out + reading.left_out, unread + reading.unread
                elif all(parent in loaded for parent in entry.parents()):
                    parents = [loaded[parent] for parent in entry.parents()]
                    loaded[step] = entry.derive(step, parents, self.length)
                    if isinstance(entry, LeaveOneOut):
                        dropped |= _ids(parents[0]) - _ids(loaded[step])
            except FaultyInput as exc:
                faults += exc.faults
            self._forget(loaded, steps[place + 1 :])
        if faults:
            raise FaultyInput(list(dict.fromkeys(faults)))
        return LoadedDataset(loaded[name], sorted(dropped), sorted(left_out), sorted(unread))

    def _forget(self, loaded: dict[str, list[Task]], ahead: Sequence[str]) -> None:
        """Drops the tasks that no later step needs; the last step's are the result."""
        derived = (entry for step in ahead if isinstance(entry := self.entries[step], Derivation))
        needed = {parent for entry in derived for parent in entry.parents()}
        for step in loaded.keys() - needed if ahead else ():
            loaded[step] = []

    def source_files(self, name: str) -> dict[str, str]:
        """The SHA-256 of every file that the dataset is made from, by the name that messages show."""
        hashes: dict[str, str] = {}
        for step in self._steps(name):
            entry = self.entries[step]
            hashes |= {} if isinstance(entry, Derivation) else entry.hashes()
        return dict(sorted(hashes.items()))

    def source_hash(self, name: str) -> str:
        """SHA-256 over those files and the chain of derivations; what the derived datasets are called is left out."""
        chain: dict[str, object] = {}
        for step in self._steps(name):
            entry = self.entries[step]
            if isinstance(entry, Derivation):
                spec = entry.model_dump(exclude={"of", "union"})
                chain[step] = spec | {"parents": [chain[parent] for parent in entry.parents()]}
            else:
                chain[step] = entry.settings() | {"files": entry.hashes()}
        return hash_json(chain[name])

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
                graph[step] = entry.parents() if isinstance(entry, Derivation) else ()
                waiting += [(parent, step) for parent in graph[step]]
        if faults:
            raise FaultyInput(list(dict.fromkeys(faults)))
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as exc:
            raise FaultyInput([spec_fault(name, "datasets are made of each other", " -> ".join(exc.args[1]))]) from exc


def find_task(catalogue: Catalogue, task_id: str, dataset: str = "") -> tuple[str, Task]:
    """(its dataset, the task): of the dataset if one is given, else of the first that is no part of another.

    ArcPipelineError names the ids that are most like an unknown one, and the datasets that could not be read.
    """
    searched: dict[str, list[str]] = {}
    faulty = []
    for name in [dataset] if dataset else catalogue.own_datasets():
        try:
            tasks = {task.task_id: task for task in catalogue.load(name)}
        except FaultyInput:
            if dataset:
                raise
            faulty.append(name)
            continue
        if task_id in tasks:
            return name, tasks[task_id]
        searched[name] = list(tasks)
    unread = f"; could not be read: {', '.join(faulty)}" if faulty else ""
    known = [known_id for ids in searched.values() for known_id in ids]
    raise ArcPipelineError(
        f"there is no task {task_id!r} in {', '.join(searched)}{did_you_mean(task_id, known, MOST_MATCHES)}{unread}"
    )


def task_among(tasks: Mapping[str, Sequence[Task]], task_id: str, dataset: str, what: str) -> tuple[str, Task]:
    """(its dataset, the task) among tasks by dataset, which messages call `what`; of the dataset if one is given."""
    if dataset and dataset not in tasks:
        raise ArcPipelineError(f"{dataset!r} has none of {what}{did_you_mean_or_all(dataset, tasks)}")
    chosen = {dataset: tasks[dataset]} if dataset else tasks
    by_id = {task.task_id: (name, task) for name, among in reversed(list(chosen.items())) for task in among}
    if task_id not in by_id:
        raise ArcPipelineError(
            f"task {task_id!r} is not among {what}, of {', '.join(chosen)}{did_you_mean(task_id, by_id, MOST_MATCHES)}"
        )
    return by_id[task_id]


def _ids(tasks: Sequence[Task]) -> set[str]:
    return {task.task_id for task in tasks}


def _entry(name: str, written: Mapping[str, object], raw: Sequence[RawSource]) -> Source | Derivation:
    if not is_name(name):
        where = SPEC_FILE if name in written else raw[0].shown
        raise FaultyInput([Fault(where, "", NAME_RULE, repr(name))])
    settings = parse_settings(name, written.get(name)) if name in written else None
    places = [SPEC_FILE] * (name in written and settings is None) + sorted(
        (source.shown for source in raw), key=lambda shown: shown.rstrip("/")
    )
    if len(places) > 1:
        problem = f"the dataset {name} is defined more than once: rename all but one of {', '.join(places)}"
        raise FaultyInput([Fault(places[0], name, problem)])
    if not raw and settings:
        raise FaultyInput([spec_fault(name, f"there is no data/raw/{name}, of which on_faulty_pair is said")])
    if not raw:
        return parse_spec(name, written[name])
    return raw[0].leaving_out() if settings and settings.on_faulty_pair == "leave-out" else raw[0]


def _unknown(name: str, child: str, known: Sequence[str]) -> Fault:
    return spec_fault("" if child == name else child, f"there is no dataset {name!r}{did_you_mean(name, known)}")
