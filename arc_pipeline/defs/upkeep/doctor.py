"""What may be wrong with an installation and a data directory, each finding with its remedy.

Changes nothing unless told to, and then only what loses nothing.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import dagster as dg
from packaging.requirements import Requirement

from arc_pipeline.defs.instance import HOME_VARIABLE, prepare
from arc_pipeline.defs.staleness.scanner import UNRECORDED
from arc_pipeline.defs.upkeep.dead_runs import dead_runs, end_dead_runs
from arc_pipeline.defs.upkeep.reporting import report_all
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.errors import ArcPipelineError, words_of
from arc_pipeline.machine.accelerator import all_gpus
from arc_pipeline.machine.memory import available_memory
from arc_pipeline.project import DATA_VARIABLE, Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

Level = Literal["ok", "warning", "error"]
LITTLE_DISK, HARDLY_ANY_DISK = 10e9, 1e9
NAMED = 5
DAY = 24 * 3600


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do if it should not be so."""

    check: str
    status: Level
    finding: str
    remedy: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at, and how: `deep` reads every byte, `fix` repairs what can be repaired without a loss."""

    project: Project
    build: Callable[[Project], dg.Definitions] = field(repr=False)
    deep: bool = False
    fix: bool = False

    @cached_property
    def session(self) -> Session:
        """The session; raises what a broken database raises."""
        prepare(self.project)
        return Session(self.project, self.build(self.project))


Check = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient, report: Callable[[str], None] = lambda check: None) -> Iterator[Finding]:
    """All findings; a check that cannot be made is one too, and takes no other down."""
    for name, check in CHECKS.items():
        report(name)
        try:
            yield from check(patient)
        except Exception as error:
            yield Finding(name, "error", f"this could not be looked at: {type(error).__name__}: {words_of(error)}")


def installation(patient: Patient) -> Iterator[Finding]:
    """The versions of the packages, against those that were tested."""
    wrong = []
    for text in requires("arc-pipeline") or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} is not {requirement.specifier}")
    if wrong:
        yield Finding("installation", "warning", "; ".join(wrong), "pip install --upgrade arc-pipeline")
    else:
        yield Finding("installation", "ok", f"arc-pipeline {version('arc-pipeline')}, all packages as tested")


def data_directory(patient: Patient) -> Iterator[Finding]:
    """That it is there, can be written to, and has room."""
    data = patient.project.data
    if not data.is_dir():
        remedy = f"set {DATA_VARIABLE}, or run a command that makes something, such as: arc-pipeline demo"
        yield Finding("data directory", "error", f"{data} is not there", remedy)
        return
    probe = data / f".doctor-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Finding("data directory", "error", f"{data} cannot be written to ({error.strerror})", "make it writable")
        return
    free = shutil.disk_usage(data).free
    level: Level = "error" if free < HARDLY_ANY_DISK else "warning" if free < LITTLE_DISK else "ok"
    remedy = "" if level == "ok" else "free some space, for example by: arc-pipeline prune --dry-run"
    yield Finding("data directory", level, f"{data}: {free / 1e9:,.1f} GB free", remedy)


def settings(patient: Patient) -> Iterator[Finding]:
    """Variables of the environment, also those that a `.env` sets behind one's back."""
    home = Path(os.environ.get(HOME_VARIABLE, patient.project.data / "dagster_home"))
    if not home.is_absolute():
        yield Finding("settings", "error", f"{HOME_VARIABLE} is {home}", "give it as an absolute path")
    dotenv = Path(".env")
    hidden = [name for name in (HOME_VARIABLE, DATA_VARIABLE) if dotenv.is_file() and name in dotenv.read_text()]
    if hidden:
        yield Finding(
            "settings", "warning", f"{dotenv.absolute()} sets {', '.join(hidden)}, which wins over the shell in Dagster"
        )
    yield Finding("settings", "ok", f"Dagster's home is {home}")


def files(patient: Patient) -> Iterator[Finding]:
    """The files of experiments and datasets."""
    catalogue, misnamed = patient.project.experiments(), patient.project.misnamed()
    faults = [fault for of_file in catalogue.faults.values() for fault in of_file]
    for fault in dict.fromkeys([*faults, *misnamed]):
        yield Finding("files", "error", str(fault), "correct the file; all others are used meanwhile")
    n_datasets = len(patient.project.datasets().names())
    yield Finding("files", "ok", f"{len(catalogue.experiments)} experiments and {n_datasets} datasets can be used")


def store(patient: Patient) -> Iterator[Finding]:
    """The files of every artefact that is current, against their seals; `deep`: those of all versions, byte by byte."""
    store, damaged, looked_at = patient.project.store, [], 0
    for artefact in store.artefacts():
        looked_at += 1
        if words := store.problem(artefact, deep=patient.deep):
            damaged.append(artefact)
            users = _made_from(store, artefact)
            known = f"; made from it: {_few(users)}" if users else ""
            remedy = f"arc-pipeline refresh --select '{artefact}'"
            yield Finding("store", "error", f"{artefact} cannot be used: {words}{known}", remedy)
        if patient.deep:
            yield from _older(store, artefact)
    store.remember_verified()
    if not damaged:
        how = "every byte read" if patient.deep else "sizes and times; --deep reads every byte"
        yield Finding("store", "ok", f"{looked_at} artefacts are as they were written ({how})")


def _older(store: Store, artefact: Artefact) -> Iterator[Finding]:
    newest = store.record(artefact)
    contents = {record.content: record for record in store.history(artefact) if store.is_kept(record)}
    for record in contents.values():
        if (newest is None or record.content != newest.content) and (words := store.problem_of(record)):
            finding = f"version {record.data_version[:8]} of {artefact}, an older one, is damaged: {words}"
            yield Finding("store", "warning", finding, "no number is taken from it; remove its directory")


def _made_from(store: Store, artefact: Artefact) -> list[str]:
    """The current artefacts that name the current record of one."""
    record = store.record(artefact)
    current = (store.record(each) for each in store.artefacts())
    return [each.artefact for each in current if each and record and record.id in each.upstream_records.values()]


def records(patient: Patient) -> Iterator[Finding]:
    """That all records can be read, and which are from before files were sealed."""
    store, unsealed, unreadable = patient.project.store, [], 0
    for artefact in store.artefacts():
        for words in store.unreadable(artefact):
            unreadable += 1
            yield Finding("records", "error", words, "restore the file from a copy, or move it away: it is not used")
        record = store.lineage(artefact)
        if record and record.files is None:
            unsealed.append(record)
    if unsealed and patient.fix:
        for record in unsealed:
            store.seal(record)
        yield Finding("records", "ok", f"sealed {len(unsealed)} artefacts of a former version as they are now")
    elif unsealed:
        finding = f"{len(unsealed)} artefacts are from before files were sealed, so a change of them cannot be seen"
        yield Finding("records", "warning", finding, "arc-pipeline doctor --fix seals them as they are now")
    if not unsealed and not unreadable:
        yield Finding("records", "ok", "all can be read")


def leftovers(patient: Patient) -> Iterator[Finding]:
    """What killed processes left half written."""
    root = patient.project.store.root
    old = [path for path in root.glob("*/**/.tmp-*") if time.time() - path.lstat().st_mtime > DAY]
    if old and patient.fix:
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield Finding("leftovers", "ok", f"removed {len(old)} half-written files and directories")
    elif old:
        finding = f"{len(old)} half-written files and directories of killed processes, older than a day"
        yield Finding("leftovers", "warning", finding, "arc-pipeline doctor --fix removes them")
    else:
        yield Finding("leftovers", "ok", "none older than a day")


def database(patient: Patient) -> Iterator[Finding]:
    """Dagster's database: that it can be read, and knows what is in the store."""
    home = os.environ.get(HOME_VARIABLE, str(patient.project.data / "dagster_home"))
    try:
        session = patient.session
        statuses = session.scanner().scan()
    except ArcPipelineError:
        raise
    except Exception as error:
        yield Finding("database", "error", f"{home}: {words_of(error)}", broken_database(home))
        return
    unknown = [status.node for status in statuses if status.status == UNRECORDED]
    if unknown and patient.fix:
        report_all(session.instance, session.store, unknown)
        yield Finding("database", "ok", f"reported {len(unknown)} artefacts of the store again")
    elif unknown:
        finding = f"{len(unknown)} artefacts are in the store, but Dagster's database does not know them as they are"
        yield Finding("database", "warning", finding, "arc-pipeline doctor --fix, or refresh, reports them again")
    else:
        yield Finding("database", "ok", "knows everything that is in the store")


def broken_database(home: str) -> str:
    """What to do about one."""
    return (
        f"if it is damaged, move {home}/history, {home}/storage and {home}/schedules away: "
        "the store has all that was made, and arc-pipeline doctor --fix reports it again"
    )


def runs(patient: Patient) -> Iterator[Finding]:
    """Runs that Dagster waits for although their process is gone."""
    if dead := dead_runs(patient.session.instance):
        if patient.fix:
            end_dead_runs(patient.session.instance)
            yield Finding("runs", "ok", f"ended {len(dead)} runs whose process is gone")
        else:
            names = _few([run.run_id[:8] for run in dead])
            remedy = "arc-pipeline doctor --fix, or the next refresh, ends them"
            yield Finding("runs", "warning", f"the process of {names} is gone", remedy)
    else:
        yield Finding("runs", "ok", "no run waits for a process that is gone")


def accelerator(patient: Patient) -> Iterator[Finding]:
    """GPUs, and whether torch can use them."""
    from arc_pipeline.model.devices import usable_gpus

    if names := usable_gpus():
        yield Finding("accelerator", "ok", f"{', '.join(names)}; torch {version('torch')}")
    elif listed := all_gpus():
        finding = f"{len(listed)} GPUs, but torch {version('torch')} cannot use them"
        yield Finding("accelerator", "error", finding, "install torch for the CUDA version of the driver")
    else:
        cores, memory = os.cpu_count(), available_memory() / 1e9
        yield Finding("accelerator", "ok", f"no GPU; {cores} cores, {memory:,.1f} GB of memory available")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


CHECKS: dict[str, Check] = {
    "installation": installation,
    "data directory": data_directory,
    "settings": settings,
    "files": files,
    "store": store,
    "records": records,
    "leftovers": leftovers,
    "database": database,
    "runs": runs,
    "accelerator": accelerator,
}
