"""A project of its own for each test: a data directory with two small tasks, and its code location loaded anew."""

import hashlib
import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

PAIRS = [([[1, 2]], [[2, 1]]), ([[3, 4]], [[4, 3]]), ([[5, 6]], [[6, 5]])]
EXPERIMENT = {
    "model": "tiny",
    "train": [{"dataset": "mirror"}],
    "augmentation": {"geometric": False, "colours": False},
    "max_steps": 8,
    "batch_size": 8,
    "max_seq_len": 256,
    "predict": {"datasets": ["mirror"], "predictions": 2},
}
DECODINGS = {"t0.0": 0.0, "t1.0": 1.0}


class Project:
    """Files of a project, and sessions on it."""

    def __init__(self, data: Path, patch: pytest.MonkeyPatch) -> None:
        self.data, self.patch, self.faked = data, patch, False

    def write(self, name: str, **changes: Any) -> None:
        """Writes the YAML of a small experiment."""
        (self.data / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))

    def write_tasks(self, dataset: str, names: Sequence[str] = ("aa", "bb"), last: int = 6) -> None:
        """Tasks that mirror their input; `last` is a cell of the test pair."""
        pairs = [{"input": a, "output": b} for a, b in PAIRS]
        test = {"input": [[5, last]], "output": [[last, 5]]}
        tasks = {name: {"train": pairs[:2], "test": [test]} for name in names}
        (self.data / "raw" / f"{dataset}.json").write_text(json.dumps(tasks))

    def load(self) -> Any:
        """A session on the files as they are now."""
        for name in list(sys.modules):
            if name.startswith("arc_pipeline.def"):
                del sys.modules[name]
        importlib.import_module("arc_pipeline.defs.instance").prepare()
        definitions = importlib.import_module("arc_pipeline.definitions").defs
        if self.faked:
            self.patch.setattr("arc_pipeline.defs.assets.training.run_group", fake_training)
            self.patch.setattr("arc_pipeline.model.prediction.requests.answer", fake_answer)
        return importlib.import_module("arc_pipeline.defs.upkeep.session").Session.of(definitions)

    def edit_record(self, artefact: str, **changes: Any) -> None:
        """Changes the record of an artefact, as if another version of the code had written it."""
        record = self.data / "store" / artefact / "current" / "lineage.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | changes))

    def batch(self, partition_key: str, *assets: str) -> Any:
        """A run of some assets of one partition."""
        refresh = importlib.import_module("arc_pipeline.defs.upkeep.refresh")
        node = importlib.import_module("arc_pipeline.defs.upkeep.staleness").Node
        partitions = importlib.import_module("arc_pipeline.defs.partitions")
        key = partitions.candidate_key(*reversed(partition_key.split("|"))) if "|" in partition_key else partition_key
        return refresh.Batch(key, [node(asset, key) for asset in assets])


def fake_training(context: Any, command: Sequence[str], *others: Any) -> None:
    """Leaves a checkpoint whose weights are a hash of all that a training reads."""
    from arc_pipeline.model.training.job import TrainingJob
    from arc_pipeline.model.weights.checkpoint import write_log

    job = TrainingJob.model_validate_json(Path(command[-1]).read_bytes())
    start = Path(job.start, "model.safetensors")
    read = [job.recipes()["token_hash"].to_pylist(), job.experiment.training_fields(), job.start]
    read[2] = start.read_text() if start.is_file() else job.start
    weights = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
    (job.output / "model.safetensors").write_text(weights)
    for step in job.experiment.predict.at_steps:
        (job.output / "steps" / str(step)).mkdir(parents=True)
        (job.output / "steps" / str(step) / "model.safetensors").write_text(f"{weights} at {step}")
    row = {"step": 1, "max_steps": 1, "loss": 0.5, "learning_rate": 1e-3, "grad_norm": 1.0, "seconds": 0.1}
    write_log([row], job.output)


def fake_answer(checkpoint: Path, wanted: Sequence[Any], encoder: Any, *others: Any) -> Iterator[tuple[Any, Any]]:
    """Right answers to about half of the questions, the last first; others for other weights and temperatures."""
    from arc_pipeline.arc.prediction.questions import Completion

    weights = (checkpoint / "model.safetensors").read_text()
    for each in reversed(wanted):
        knows = hashlib.sha256(f"{weights}{each.question.seed}{each.temperature}".encode()).digest()[0] % 2
        answer = each.question.recipe.render(each.question.task, encoder).answer
        yield each, Completion(answer if knows else "no grid", -1.0, 5)


def a_project(data: Path, patch: pytest.MonkeyPatch) -> Project:
    """A project on a data directory, with two decodings."""
    patch.setenv("ARC_PIPELINE_DATA", str(data))
    patch.setenv("DAGSTER_HOME", str(data / "dagster_home"))
    patch.setattr("arc_pipeline.arc.prediction.questions.DECODINGS", dict(DECODINGS))
    return Project(data, patch)


def with_files(project: Project) -> Project:
    """The same, with the dataset `mirror` and no experiment."""
    for name in ("raw", "experiments"):
        (project.data / name).mkdir(parents=True)
    (project.data / "datasets.yaml").write_text("{}")
    project.write_tasks("mirror")
    return project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with the dataset `mirror` and no experiment."""
    return with_files(a_project(tmp_path, monkeypatch))


@pytest.fixture
def faked(project: Project) -> Project:
    """The same, with a model that trains and answers in no time."""
    project.faked = True
    return project


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of two experiments, everything fresh: `turned` has geometric transforms, `straight` has none.

    Made by the first worker of the tests that needs it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    data = shared / "made"
    with FileLock(shared / "made.lock"):
        if not data.exists():
            make_two(tmp_path_factory.mktemp("making") / "data").rename(data)
    return data


def make_two(data: Path) -> Path:
    """Makes those two experiments in a data directory."""
    with pytest.MonkeyPatch.context() as patch:
        project = with_files(a_project(data, patch))
        project.faked = True
        project.write("turned", augmentation={"geometric": True, "colours": False})
        project.write("straight")
        outcomes = project.load().refresh([])
    assert not [each.failed for each in outcomes if each.failed]
    return data


@pytest.fixture
def two(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of those two experiments."""
    shutil.copytree(made_once, tmp_path / "data", symlinks=True)
    project = a_project(tmp_path / "data", monkeypatch)
    project.faked = True
    return project
