"""Which versions of checkpoints, completions of theirs and unfinished trainings nothing needs. Knows no Dagster.

Reads the store's records. Whatever cannot be understood counts as used: a version is removed only if every record says
that nothing needs it.
"""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.records import CURRENT
from arc_pipeline.store.store import Store

CHECKPOINT = "checkpoint"
COMPLETIONS = "completions"
OF_CURRENT = "completions of the current version"
IS_CURRENT = "the current version"
NO_CURRENT = "no version is the current one, so any may be"
NO_RECORD = "no record says what it is"
IN_PROGRESS = "a run of this experiment is in progress"
UNFINISHED, JOB = "training", "job.json"
MAY_RESUME = "the newest training of the experiment, which can resume from its states"


@dataclass(frozen=True, order=True)
class Version:
    """One version of an experiment's checkpoint, the completions that are kept of it, or the states of a training that
    was not finished, and why it must stay.

    Nothing uses it if `used_by` is empty.
    """

    experiment: str
    name: str
    path: Path
    n_bytes: int
    used_by: tuple[str, ...] = ()
    asset: str = CHECKPOINT

    @classmethod
    def at(cls, path: Path, used_by: Iterable[str], asset: str = CHECKPOINT) -> "Version":
        """The one in a directory."""
        return cls(path.parent.name, path.name, path, _size(path), tuple(used_by), asset)

    def row(self) -> dict[str, Any]:
        """For the command line."""
        plain = {"asset": self.asset, "experiment": self.experiment, "version": self.name, "bytes": self.n_bytes}
        return plain | {"used": bool(self.used_by), "used_by": list(self.used_by), "path": str(self.path)}


def versions(store: Store, in_progress: Collection[str] = ()) -> list[Version]:
    """All versions of all checkpoints, their completions, and what unfinished trainings left; those of experiments with
    runs in progress are used."""
    users = _users(store)
    for path in _started_from(store.root / UNFINISHED):
        users[path].add("a training that is not finished starts from it")
    checkpoints = [
        Version.at(path, sorted({*users[path.resolve()], *_own(store, path, in_progress)}))
        for place in _subdirectories(store.root / CHECKPOINT)
        for path in _subdirectories(place)
    ]
    return [*checkpoints, *_completions(store, in_progress), *_unfinished(store, in_progress)]


def _completions(store: Store, in_progress: Collection[str]) -> Iterator[Version]:
    """What was kept of each version's answers: of use only to predictions that are yet to be made, by the current."""
    for place in _subdirectories(store.root / COMPLETIONS):
        current = store.lineage(Artefact(CHECKPOINT, place.name))
        for path in _subdirectories(place):
            reasons = {
                OF_CURRENT: current is not None and current.data_version.startswith(path.name),
                NO_CURRENT: current is None and (store.root / CHECKPOINT / place.name / path.name).is_dir(),
                IN_PROGRESS: place.name in in_progress,
            }
            yield Version.at(path, _true(reasons), COMPLETIONS)


def _unfinished(store: Store, in_progress: Collection[str]) -> Iterator[Version]:
    """Trainings that were not finished. One whose code or inputs have changed since is never resumed."""
    for place in _subdirectories(store.root / UNFINISHED):
        trainings = sorted(_subdirectories(place), key=_begun)
        checkpoint = store.lineage(Artefact(CHECKPOINT, place.name))
        when = checkpoint.created_at if checkpoint else ""
        made = datetime.fromisoformat(when).timestamp() if when else 0.0
        for path in trainings:
            reasons = {
                MAY_RESUME: path == trainings[-1] and _begun(path) > made,
                IN_PROGRESS: place.name in in_progress,
            }
            yield Version.at(path, _true(reasons), UNFINISHED)


def _begun(training: Path) -> float:
    job = training / JOB
    return (job if job.is_file() else training).stat().st_mtime


def remove(unused: Iterable[Version]) -> list[Version]:
    """Removes versions; each is renamed first, so that a killed process leaves none that is half there."""
    removed = []
    for version in unused:
        if version.used_by:
            raise ArcPipelineError(f"{version.path} is used by {version.used_by[0]}, it stays")
        doomed = version.path.with_name(f".tmp-removed-{version.name}")
        os.rename(version.path, doomed)
        shutil.rmtree(doomed)
        removed.append(version)
    return removed


def _own(store: Store, path: Path, in_progress: Collection[str]) -> list[str]:
    """Why a version stays that has nothing to do with other artefacts."""
    artefact = Artefact(CHECKPOINT, path.parent.name)
    current = store.record(artefact)
    reasons = {
        IS_CURRENT: current is not None and current.content == path.name,
        NO_CURRENT: current is None,
        NO_RECORD: all(record.content != path.name for record in store.history(artefact)),
        IN_PROGRESS: path.parent.name in in_progress,
    }
    return _true(reasons)


def _true(reasons: Mapping[str, bool]) -> list[str]:
    return [reason for reason, is_true in reasons.items() if is_true]


def _users(store: Store) -> dict[Path, set[str]]:
    """By directory of a version: the current artefacts whose records name it, directly or by way of others."""
    users: defaultdict[Path, set[str]] = defaultdict(set)
    for artefact in store.artefacts():
        if unreadable := store.unreadable(artefact):
            raise ArcPipelineError(f"{unreadable[0]}; so nothing is known to be unused; run: arc-pipeline doctor")
        current = store.record(artefact)
        waiting, seen = [current] if current else [], set[str]()
        while waiting:
            record = waiting.pop()
            if record.id in seen:
                continue
            seen.add(record.id)
            if current and record.id != current.id:
                users[store.content(record).resolve()].add(str(artefact))
            waiting += _made_from(store, record)
    return users


def _made_from(store: Store, record: Lineage) -> Iterator[Lineage]:
    """The records upstream; where one is lost, as in former stores, all that it may have been."""
    for artefact, found in store.upstream(record).items():
        version = record.upstream[str(artefact)]
        yield from [found] if found else [each for each in store.history(artefact) if each.data_version == version]


def _started_from(training: Path) -> Iterator[Path]:
    """The checkpoints that unfinished trainings have as their start."""
    for job in training.glob(f"*/*/{JOB}"):
        try:
            yield Path(json.loads(job.read_bytes())["start"]).resolve()
        except (ValueError, KeyError, TypeError) as error:
            raise ArcPipelineError(f"{job} cannot be read, so nothing is known to be unused; remove it") from error


def _subdirectories(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(
        path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != CURRENT
    )


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
