"""The project: one data directory with its files and its store. Made once, and handed to whoever needs it.

Knows nothing of Dagster, so that a command that only reads is quick.
"""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import arc_pipeline
from arc_pipeline.arc.experiment import ExperimentCatalogue
from arc_pipeline.arc.rendering.vocabulary import task_length
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.errors import Fault
from arc_pipeline.store.store import Store

DATA_VARIABLE = "ARC_PIPELINE_DATA"
HOME_DEFAULTS = "dagster_home/dagster.yaml"
DEFAULT_FILES = ("datasets.yaml", "experiments", HOME_DEFAULTS)


@dataclass(frozen=True)
class Project:
    """One data directory. Nothing is kept of its files: what reads them gets what they say now."""

    data: Path

    @classmethod
    def current(cls) -> "Project":
        """That of `ARC_PIPELINE_DATA`, or `data/` of the checkout this package runs from, or of the working directory.

        It reads the environment and nothing else.
        """
        if named := os.environ.get(DATA_VARIABLE):
            return cls(Path(named).expanduser().resolve())
        return cls((_checkout() or Path.cwd()) / "data")

    @property
    def store(self) -> Store:
        """Everything that was materialized."""
        return Store(self.data / "store")

    @property
    def experiment_files(self) -> Path:
        """Where the experiments are described, one file each."""
        return self.data / "experiments"

    @property
    def queue_file(self) -> Path:
        """Where the order of trainings may be written."""
        return self.data / "training_queue.yaml"

    def datasets(self) -> Catalogue:
        """All datasets, as the files say now."""
        return read_datasets(self.data)

    def experiments(self) -> ExperimentCatalogue:
        """All experiments, as the files say now."""
        return ExperimentCatalogue.read(self.experiment_files, self.datasets().names())

    def misnamed(self) -> list[Fault]:
        """Files that are ignored: their names can be no partitions, or they are no tasks."""
        datasets = self.datasets()
        return [*datasets.misnamed(), *datasets.ignored(), *self.experiments().misnamed()]

    def add_defaults(self) -> "Project":
        """Copies the default files to a data directory without datasets; never touches a file that is there."""
        source = defaults_directory()
        if source != self.data and not (self.data / DEFAULT_FILES[0]).exists():
            for name in DEFAULT_FILES:
                _copy_default(source / name, self.data / name)
            (self.data / "raw").mkdir(exist_ok=True)
        return self


def read_datasets(data: Path) -> Catalogue:
    """All datasets of a data directory. Assets call this by its name, so that what it reads with is code of theirs."""
    return Catalogue.read(data, task_length)


def defaults_directory() -> Path:
    """The default data: of the checkout this package runs from, or as it was installed."""
    if checkout := _checkout():
        return checkout / "data"
    for prefix in (sysconfig.get_path("data"), sys.prefix):
        if (Path(prefix) / "share" / "arc-pipeline").is_dir():
            return Path(prefix) / "share" / "arc-pipeline"
    raise FileNotFoundError("the default data of arc-pipeline is not installed; install the package again")


def _checkout() -> Path | None:
    """The checkout that this package runs from, None if it is installed."""
    place = Path(arc_pipeline.__file__).parent.parent
    return place if (place / "pyproject.toml").is_file() else None


def _copy_default(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_copy_if_absent)
    else:
        _copy_if_absent(source, target)


def _copy_if_absent(source: str | Path, target: str | Path) -> None:
    if not Path(target).exists():
        shutil.copy(source, target)
