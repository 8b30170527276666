"""A project of its own for each test: a data directory with two small tasks, and definitions built from it."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from filelock import FileLock

from arc_pipeline.arc.prediction import requests
from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.instance import prepare
from arc_pipeline.defs.staleness.scanner import Node
from arc_pipeline.defs.upkeep.runs import Batch
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

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


class SmallProject:
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

    def load(self) -> Session:
        """A session on the files as they are now."""
        project = Project(self.data)
        prepare(project)
        if self.faked:
            self.patch.setattr("arc_pipeline.defs.assets.training.run_group", fake_training)
            self.patch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", fake_completions)
            self.patch.setattr("arc_pipeline.model.prediction.scoring.score_views", fake_scores)
        return Session(project, build_definitions(project))

    def set_decodings(self, decodings: dict[str, float]) -> None:
        """Has these ways of decoding instead of all; undone in the order in which they were."""
        for name in reversed(list(requests.DECODINGS)):
            self.patch.delitem(requests.DECODINGS, name)
        for name, temperature in decodings.items():
            self.patch.setitem(requests.DECODINGS, name, temperature)

    def edit_record(self, name: str, **changes: Any) -> None:
        """Adds a record to an artefact, as if another version of the code had written it."""
        asset, _, partition = name.partition("/")
        store = Store(self.data / "store")
        record = store.lineage(Artefact(asset, partition))
        assert record is not None
        store.append(record.model_copy(update=changes))

    def batch(self, partition_key: str, *assets: str) -> Batch:
        """A run of some assets of one partition."""
        decoding, _, experiment = partition_key.partition("|")
        key = dg.MultiPartitionKey({"decoding": decoding, "experiment": experiment}) if experiment else partition_key
        return Batch(key, [Node(asset, key) for asset in assets])


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


def fake_completions(checkpoint: Path, requests: Sequence[Any], experiment: Any) -> Iterator[tuple[int, Any]]:
    """Right ones of about half of the requests, the last first; others for other weights and temperatures."""
    from arc_pipeline.arc.prediction.completions import Completion
    from arc_pipeline.arc.rendering.encoder import parse_encoder
    from arc_pipeline.arc.tasks.solutions import blanked

    weights, encoder = (checkpoint / "model.safetensors").read_text(), parse_encoder(experiment.grid_encoder)
    for index, request in reversed(list(enumerate(requests))):
        knows = hashlib.sha256(f"{weights}{request.seed}{request.temperature}".encode()).digest()[0] % 2
        answer = request.recipe.render(blanked(request.task), encoder).answer
        yield index, Completion(answer if knows else "no grid", -1.0, 5)


def fake_scores(
    checkpoint: Path, views: Sequence[Any], experiment: Any
) -> Iterator[tuple[int, list[tuple[float, int]]]]:
    """Others for other weights, prompts and answers, the last view first."""
    weights = (checkpoint / "model.safetensors").read_text()
    for index, view in reversed(list(enumerate(views))):
        digests = [hashlib.sha256(f"{weights}{view.prompt}{answer}".encode()).digest() for answer in view.answers]
        yield index, [(-float(digest[0]), len(answer)) for digest, answer in zip(digests, view.answers, strict=True)]


def a_project(data: Path, patch: pytest.MonkeyPatch) -> SmallProject:
    """A project on a data directory, with two decodings."""
    patch.setenv("ARC_PIPELINE_DATA", str(data))
    patch.setenv("DAGSTER_HOME", str(data / "dagster_home"))
    project = SmallProject(data, patch)
    project.set_decodings(DECODINGS)
    return project


def with_files(project: SmallProject) -> SmallProject:
    """The same, with the dataset `mirror` and no experiment."""
    for name in ("raw", "experiments"):
        (project.data / name).mkdir(parents=True)
    (project.data / "datasets.yaml").write_text("{}")
    project.write_tasks("mirror")
    return project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project with the dataset `mirror` and no experiment."""
    return with_files(a_project(tmp_path, monkeypatch))


@pytest.fixture
def faked(project: SmallProject) -> SmallProject:
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
def two(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A copy of those two experiments."""
    shutil.copytree(made_once, tmp_path / "data", symlinks=True)
    project = a_project(tmp_path / "data", monkeypatch)
    project.faked = True
    return project
