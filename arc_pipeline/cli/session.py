"""How a command opens the project, and nothing else does: the data directory, its experiments and datasets, the store.

The instance is prepared first, the definitions are loaded from it after: imports inside functions are in that order.
"""

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
    from arc_pipeline.store.artefact import Store


def open_session() -> "Session":
    """The project's session; says which files are ignored because of their names."""
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.definitions import defs
    from arc_pipeline.defs.upkeep.session import Session

    session = Session.of(defs)
    for fault in session.misnamed():
        say(f"ignored: {fault}", "yellow")
    return session


def open_store() -> "Store":
    """The store alone: what was made can be read without Dagster."""
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.store.artefact import Store

    return Store(data_directory() / "store")


def open_experiments() -> "ExperimentCatalogue":
    """All experiments, as their files say now."""
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_experiments

    return read_experiments()


def open_experiment(name: str) -> "tuple[Store, Experiment]":
    """The store and an experiment as its file says now, without the session, which takes longer."""
    return open_store(), open_experiments().get(name)


def open_datasets() -> "Catalogue":
    """All datasets, without Dagster's instance: nothing is read but the file that lists them."""
    from arc_pipeline.arc.prediction.vocabulary import task_length
    from arc_pipeline.arc.tasks.catalogue import Catalogue

    return Catalogue.read(_data_with_defaults(), task_length)


def experiment_files_directory() -> "Path":
    """Where experiment files are written."""
    return _data_with_defaults() / "experiments"


def complete_experiment(incomplete: str) -> list[str]:
    """The names of experiments for the shell, which must not wait: from the files' names alone."""
    from arc_pipeline.arc.experiment import experiment_files
    from arc_pipeline.defs.data_dir import data_directory

    return [name for name in experiment_files(data_directory() / "experiments") if name.startswith(incomplete)]


@contextmanager
def saying_how_to_make(experiment: str) -> Iterator[None]:
    """Adds to the message about a missing artefact the command that makes it."""
    try:
        yield
    except MissingArtefact as error:
        raise MissingArtefact(f"{error}: arc-pipeline refresh --select {experiment}") from error


def known_decoding(decoding: str) -> str:
    """The decoding, or an error that lists all."""
    from arc_pipeline.arc.names import did_you_mean_or_all
    from arc_pipeline.arc.prediction.questions import DECODINGS

    if decoding not in DECODINGS:
        raise ArcPipelineError(f"there is no decoding {decoding!r}{did_you_mean_or_all(decoding, DECODINGS)}")
    return decoding


def _data_with_defaults() -> "Path":
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.defs.instance import copy_defaults

    data = data_directory()
    copy_defaults(data)
    return data
