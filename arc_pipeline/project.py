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
DEFAULT_FILES = ("datasets.yaml", "experiments", "raw/README.md", HOME_DEFAULTS)
# beside the data directory of a new project
NEW_FILES = {
    "workspace.yaml": "load_from:\n  - python_module:\n      module_name: arc_pipeline.definitions\n"
    "      location_name: arc_pipeline\n",
    ".gitignore": "/data/store/\n/data/dagster_home/*\n!/data/dagster_home/dagster.yaml\n",
}


@dataclass(frozen=True)
class Project:
    """One data directory. Nothing is kept of its files: what reads them gets what they say now."""

    data: Path

    @classmethod
    def current(cls) -> "Project":
        """That of `ARC_PIPELINE_DATA`; or `data/` of the working directory or the nearest above it that has one with a
        datasets.yaml; or that of the checkout this package runs from.

        It writes nothing, and the project may not be there: see `exists`.
        """
        if named := os.environ.get(DATA_VARIABLE):
            return cls(Path(named).expanduser().resolve())
        here = Path.cwd()
        found = (place / "data" for place in (here, *here.parents) if (place / "data" / DEFAULT_FILES[0]).is_file())
        return cls(next(found, (_checkout() or here) / "data"))

    @property
    def exists(self) -> bool:
        """Whether anything of a project is there."""
        return any((self.data / name).exists() for name in (DEFAULT_FILES[0], "experiments", "store"))

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

    def create(self, directory: Path) -> None:
        """Makes a new project in a directory: the default files, what `dagster dev` reads, what git ignores."""
        self.add_defaults()
        for name, content in NEW_FILES.items():
            if not (directory / name).exists():
                (directory / name).write_text(content)

    def add_defaults(self) -> "Project":
        """Copies the default files to a data directory without datasets; never touches a file that is there."""
        source = defaults_directory()
        if source != self.data and not (self.data / DEFAULT_FILES[0]).exists():
            for name in DEFAULT_FILES:
                _copy_default(source / name, self.data / name)
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
