"""Trainings that are watched elsewhere as well: real event files, one curve also after an interruption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training import trackers
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.program import run
from arc_pipeline.model.training.states import states
from arc_pipeline.model.weights.checkpoint import weights_hash


def job_of(directory: Path, make_job, **changes: object) -> TrainingJob:
    file = make_job(directory, logging_steps=1, save_steps=2, **changes)
    return TrainingJob.model_validate_json(file.read_bytes()).model_copy(update={"tracking": directory / "tracking"})


def losses(directory: Path) -> list[int]:
    """The steps of the curve that TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory))
    events.Reload()
    return [event.step for event in events.Scalars("train/loss")]


def test_tensorboard_shows_one_curve_also_after_an_interruption(tmp_path: Path, make_job) -> None:
    job = job_of(tmp_path, make_job, report_to=["tensorboard"])

    def interrupt(row: dict) -> None:
        if row.get("step") == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, interrupt)
    assert [path.name for path in states(job.work)] == ["checkpoint-2"]
    run(job, lambda row: None)
    assert losses(tmp_path / "tracking" / "tensorboard" / "x" / "work") == [1, 2, 3, 4]


def test_watching_changes_none_of_the_training(tmp_path: Path, make_job) -> None:
    hashes = set()
    for name, report_to in (("watched", ["tensorboard"]), ("plain", [])):
        job = job_of(tmp_path / name, make_job, report_to=report_to)
        run(job, lambda row: None)
        hashes.add(weights_hash(job.output))
    assert len(hashes) == 1
    assert not (tmp_path / "plain" / "tracking").exists()


def test_wandb_writes_offline_under_the_experiments_name(tmp_path: Path, make_job) -> None:
    pytest.importorskip("wandb")
    job = job_of(tmp_path, make_job, report_to=["wandb"])
    (tmp_path / "job.json").write_text(job.model_dump_json())
    mine = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, "-m", "arc_pipeline.model.training.program", str(tmp_path / "job.json")]
    subprocess.run(command, env=mine, check=True, capture_output=True)
    (file,) = (tmp_path / "tracking" / "wandb").rglob("run-*.wandb")
    assert file.name == "run-x-work.wandb"
    assert b"arc_pipeline" in file.read_bytes()


def test_a_package_that_is_not_installed_is_named_before_anything_is_trained(monkeypatch) -> None:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 4, "predict": {"datasets": ["d"]}}
    experiment = Experiment.model_validate(fields | {"report_to": ["wandb"]})
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ArcPipelineError, match=r"x: report_to names wandb.*pip install 'arc-pipeline\[wandb\]'"):
        trackers.refuse_missing(experiment)
