"""The Dagster instance of this project: where its home is, and its first initialization under a lock."""

import fcntl
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

import arc_pipeline
from arc_pipeline.defs.data_dir import DATA_VARIABLE, data_directory
from arc_pipeline.errors import ArcPipelineError

HOME_VARIABLE = "DAGSTER_HOME"
DEFAULT_FILES = ("datasets.yaml", "experiments", "dagster_home/dagster.yaml")


def prepare() -> None:
    """Makes the data directory usable: default files where there are none, and an initialized Dagster instance.

    Parallel first use corrupts a fresh SQLite storage for good, so it is created once, under a lock.
    """
    data = data_directory()
    os.environ.setdefault(HOME_VARIABLE, str(data / "dagster_home"))
    home = Path(os.environ[HOME_VARIABLE]).absolute()
    os.environ[HOME_VARIABLE] = str(home)
    os.environ[DATA_VARIABLE] = str(data)
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / ".lock"):
        copy_defaults(data)
        if not (home / "dagster.yaml").exists():
            shutil.copy(defaults_directory() / DEFAULT_FILES[-1], home / "dagster.yaml")
        with dg.DagsterInstance.get() as instance:
            instance.get_runs(limit=1)
            instance.get_asset_keys(limit=1)
            instance.all_instigator_state()


@contextmanager
def locked(path: Path, refusal: str = "") -> Iterator[None]:
    """Holds an exclusive lock on a file, among all processes; with a refusal, raises that instead of waiting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise ArcPipelineError(refusal) from error
        yield


def defaults_directory() -> Path:
    """The default data: of the checkout this package runs from, or as it was installed."""
    checkout = Path(arc_pipeline.__file__).parent.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / "data"
    for prefix in (sysconfig.get_path("data"), sys.prefix):
        if (Path(prefix) / "share" / "arc-pipeline").is_dir():
            return Path(prefix) / "share" / "arc-pipeline"
    raise FileNotFoundError("the default data of arc-pipeline is not installed; install the package again")


def copy_defaults(data: Path) -> None:
    """Copies each default file that the data directory lacks as a whole; never touches a file that is there."""
    source = defaults_directory()
    if source == data or (data / DEFAULT_FILES[0]).exists():
        return
    for name in DEFAULT_FILES:
        target = data / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target, dirs_exist_ok=True)
        elif not target.exists():
            shutil.copy(source / name, target)
    (data / "raw").mkdir(exist_ok=True)
