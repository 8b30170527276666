"""How a command opens the project: the instance is prepared first, the definitions are loaded from it after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from arc_pipeline.cli.console import say
from arc_pipeline.errors import ArcPipelineError, MissingArtefact

if TYPE_CHECKING:
    from arc_pipeline.arc.experiment import Experiment
    from arc_pipeline.defs.upkeep.session import Session
    from arc_pipeline.store.artefact import Store


def open_session() -> "Session":
    """The project's session; names of files that cannot be used are told to the user."""
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.definitions import defs
    from arc_pipeline.defs.upkeep.session import Session

    session = Session.of(defs)
    for fault in session.misnamed():
        say(f"ignored: {fault}", "yellow")
    return session


def open_store(experiment: str) -> "tuple[Store, Experiment]":
    """The store and an experiment as its file says now, without the session, which takes longer."""
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.defs.instance import prepare
    from arc_pipeline.store.artefact import Store

    prepare()
    from arc_pipeline.defs.partitions import read_experiments

    return Store(data_directory() / "store"), read_experiments().get(experiment)


@contextmanager
def saying_how_to_make(experiment: str) -> Iterator[None]:
    """Adds to the message about a missing artefact the command that makes it."""
    try:
        yield
    except MissingArtefact as error:
        raise MissingArtefact(f"{error}: arc-pipeline refresh --select {experiment}") from error


def known_decoding(decoding: str) -> str:
    """The decoding, if there is such a one."""
    from arc_pipeline.arc.names import did_you_mean_or_all
    from arc_pipeline.arc.prediction.requests import DECODINGS

    if decoding not in DECODINGS:
        raise ArcPipelineError(f"there is no decoding {decoding!r}{did_you_mean_or_all(decoding, DECODINGS)}")
    return decoding
