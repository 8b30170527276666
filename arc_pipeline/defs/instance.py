"""The Dagster instance of a project: where its home is, and its first initialization under a lock."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import DATA_VARIABLE, HOME_DEFAULTS, Project, defaults_directory

HOME_VARIABLE = "DAGSTER_HOME"


def prepare(project: Project) -> None:
    """Makes a project usable: default files where there are none, and an initialized Dagster instance.

    Parallel first use corrupts a fresh SQLite storage for good, so it is created once, under a lock.
    """
    home = Path(os.environ.get(HOME_VARIABLE, project.data / "dagster_home")).absolute()
    # for the processes that this one starts
    os.environ |= {HOME_VARIABLE: str(home), DATA_VARIABLE: str(project.data)}
    with locked(home / ".lock"):
        project.add_defaults()
        if not (home / "dagster.yaml").exists():
            shutil.copy(defaults_directory() / HOME_DEFAULTS, home / "dagster.yaml")
        with dg.DagsterInstance.get() as instance:
            instance.get_runs(limit=1)
            instance.get_asset_keys(limit=1)
            instance.all_instigator_state()


@contextmanager
def locked(path: Path, refusal: str = "") -> Iterator[None]:
    """Holds an exclusive lock on a file, among all processes; with a refusal, raises that instead of waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0 if refusal else -1)
    try:
        lock.acquire()
    except Timeout as error:
        raise ArcPipelineError(refusal) from error
    try:
        yield
    finally:
        lock.release()
