"""How a command opens the project, and nothing else does: its experiments and datasets, its store, a session on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from arc_pipeline.cli.console import say
from arc_pipeline.errors import ArcPipelineError, MissingArtefact

if TYPE_CHECKING:
    from pathlib import Path

    from arc_pipeline.arc.experiment import Experiment, ExperimentCatalogue
    from arc_pipeline.arc.tasks.catalogue import Catalogue
    from arc_pipeline.defs.upkeep.session import Session
    from arc_pipeline.project import Project
    from arc_pipeline.store.store import Store

# what every experiment has of which something was measured
MADE = "metrics"


def open_session() -> "Session":
    """A session on the project's definitions; says which files are ignored because of their names."""
    from arc_pipeline.definitions import build_definitions
    from arc_pipeline.defs.upkeep.session import Session

    project = open_project()
    return Session(project, build_definitions(project))


def open_reader() -> "Session":
    """A session for a command that only looks: it makes nothing in the data directory, which may be read-only, and goes
    on without Dagster's database if that is broken."""
    from arc_pipeline.definitions import build_definitions
    from arc_pipeline.defs.upkeep.session import Session

    project = reading_project()
    _say_ignored(project)
    session = Session(project, build_definitions(project))
    if session.readable_instance is None and project.store.root.is_dir():
        say("Dagster's database cannot be read, so what it knows is not looked at: arc-pipeline doctor", "yellow")
    return session


def open_project() -> "Project":
    """The project, without definitions, which take longer; says which files are ignored because of their names."""
    project = prepared_project()
    _say_ignored(project)
    return project


def _say_ignored(project: "Project") -> None:
    for fault in project.misnamed():
        say(f"ignored: {fault}", "yellow")


def open_store() -> "Store":
    """The store alone: what was made can be read without Dagster."""
    return reading_project().store


def reading_project() -> "Project":
    """The project for who only looks: nothing is written, and where there is none that is said."""
    from arc_pipeline.project import Project

    project = Project.current()
    if not project.exists:
        raise ArcPipelineError(_no_project(project))
    return project


def prepared_project() -> "Project":
    """The project, with an initialized Dagster instance; also a new one, if its place was named."""
    from arc_pipeline.defs.instance import prepare
    from arc_pipeline.project import DATA_VARIABLE, Project

    project = Project.current()
    if not project.exists and DATA_VARIABLE not in os.environ:
        raise ArcPipelineError(_no_project(project))
    prepare(project)
    return project


def _no_project(project: "Project") -> str:
    from arc_pipeline.project import DATA_VARIABLE

    place = project.data if DATA_VARIABLE in os.environ else f"{project.data.parent} or above it"
    return (
        f"there is no project in {place}; make one with: arc-pipeline init DIRECTORY, or name the data directory of "
        f"one: export {DATA_VARIABLE}=DIRECTORY/data"
    )


def open_experiments() -> "ExperimentCatalogue":
    """All experiments, as their files say now: nothing is made, and Dagster, which takes seconds, is not needed."""
    return reading_project().experiments()


def open_experiment(name: str) -> "tuple[Store, Experiment]":
    """The store and an experiment as its file says now, without the session, which takes longer."""
    return open_store(), open_experiments().get(name)


def open_datasets() -> "Catalogue":
    """All datasets, without Dagster's instance: nothing is read but the file that lists them."""
    return reading_project().datasets()


def experiment_files_directory() -> "Path":
    """Where experiment files are written; those of a new project first, if its place was named."""
    from arc_pipeline.project import DATA_VARIABLE, Project

    project = Project.current()
    if project.exists or DATA_VARIABLE not in os.environ:
        project = reading_project()
    return project.add_defaults().experiment_files


def complete_experiment(incomplete: str) -> list[str]:
    """The names of experiments for the shell, which must not wait: from the files' names alone."""
    from arc_pipeline.arc.experiment import experiment_files
    from arc_pipeline.project import Project

    return [name for name in experiment_files(Project.current().experiment_files) if name.startswith(incomplete)]


@contextmanager
def saying_how_to_make(experiment: str) -> Iterator[None]:
    """Adds to the message about a missing artefact the command that makes it."""
    try:
        yield
    except MissingArtefact as error:
        raise MissingArtefact(f"{error}: arc-pipeline refresh --select {experiment}") from error


def known_experiment(name: str) -> str:
    """The name of an experiment that has a file, or of which something was made; else an error with those like it."""
    from arc_pipeline.arc.experiment import experiment_files
    from arc_pipeline.arc.names import did_you_mean_or_all

    project = reading_project()
    known = {*experiment_files(project.experiment_files)}
    if name not in known:
        known |= {artefact.partition.split("/")[0] for artefact in project.store.artefacts() if artefact.asset == MADE}
    if name not in known:
        raise ArcPipelineError(f"there is no experiment {name!r}{did_you_mean_or_all(name, known)}")
    return name


def known_dataset(name: str) -> str:
    """The name of a dataset, or an error with those like it."""
    from arc_pipeline.arc.names import did_you_mean_or_all

    if name not in (known := open_datasets().names()):
        raise ArcPipelineError(
            f"there is no dataset {name!r}{did_you_mean_or_all(name, known)}; your own files belong into data/raw/"
        )
    return name


def known_decoding(decoding: str) -> str:
    """The decoding, or an error that lists all."""
    from arc_pipeline.arc.names import did_you_mean_or_all
    from arc_pipeline.arc.prediction.requests import DECODINGS

    if decoding not in DECODINGS:
        raise ArcPipelineError(f"there is no decoding {decoding!r}{did_you_mean_or_all(decoding, DECODINGS)}")
    return decoding
