"""A training that is killed and resumed ends with the same bits as one that is not."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from arc_pipeline.model.training.dataset import ExampleDataset
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.program import CHECKED_EXAMPLES, run
from arc_pipeline.model.training.states import problem, state_path, states
from arc_pipeline.model.training.throughput import progress_line
from arc_pipeline.model.weights.checkpoint import read_log, weights_hash

KILLED = Path(__file__).parent / "killed_training.py"
STEPS = 20
FIELDS = {"max_steps": STEPS, "save_steps": 4, "logging_steps": 3, "micro_batch_size": 2, "learning_rate": 1e-3}
LORA = {"method": "lora", "rank": 4, "dropout": 0.2}
TIMES = ["seconds", "seconds_left", "tokens_per_second"]


def start(*command: str, **options: Any) -> "subprocess.Popen[str]":
    """A training in a process of its own, with one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment, **options)


def trained(job: Path) -> tuple[TrainingJob, list[str]]:
    """Trains in this process; the job, and what was said."""
    said: list[str] = []
    order = TrainingJob.model_validate_json(job.read_bytes())
    run(order, lambda row: said.append(progress_line(row)))
    return order, said


def optimizer(work: Path) -> dict[int, dict[str, torch.Tensor]]:
    """What the optimizer remembers of every weight at the end of the training."""
    return torch.load(state_path(work, STEPS) / "optimizer.pt", weights_only=True)["state"]


@pytest.mark.drill
@pytest.mark.parametrize("tuning", [{"method": "full"}, LORA], ids=["full", "lora"])
def test_a_training_killed_three_times_is_the_same(
    tmp_path: Path, make_job: Callable[..., Path], tuning: dict[str, Any]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    fields = {**FIELDS, "tuning": tuning, "validation": [{"dataset": "d"}], "eval_steps": 5}
    uninterrupted = start("-m", "arc_pipeline.model.training.program", str(make_job(whole, **fields)))
    steps = sorted(random.Random().sample(range(4, STEPS), 3))
    said = start(str(KILLED), str(make_job(killed, **fields)), *map(str, steps)).communicate()[1]
    assert "step 20/20" in uninterrupted.communicate()[1]
    assert said.count("the training resumes from") >= 2, said

    logs = [read_log(each / "output").drop_columns(TIMES).to_pylist() for each in (whole, killed)]
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == [3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20]
    assert weights_hash(killed / "output") == weights_hash(whole / "output")
    assert (killed / "output/model.safetensors").read_bytes() == (whole / "output/model.safetensors").read_bytes()
    states_of = [optimizer(each / "work") for each in (whole, killed)]
    assert states_of[0].keys() == states_of[1].keys()
    for weight, remembered in states_of[0].items():
        assert all(torch.equal(value, states_of[1][weight][name]) for name, value in remembered.items())


@pytest.mark.drill
def test_a_full_disk_ends_the_training_in_one_sentence(tmp_path: Path, make_job: Callable[..., Path]) -> None:
    job = make_job(tmp_path, **FIELDS)
    trained(job)
    shutil.rmtree(state_path(tmp_path / "work", STEPS))
    limit = 1_000_000  # bytes a file: less than the weights
    limited = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    process = start("-m", "arc_pipeline.model.training.program", str(job), preexec_fn=limited)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"error: {state_path(tmp_path / 'work', STEPS)} could not be written: ")
    assert "free some disk space and start again" in said.splitlines()[-1]
    assert [problem(state) for state in states(tmp_path / "work")] == [None, None]


def test_a_state_cut_short_is_skipped_with_a_warning(
    tmp_path: Path, make_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = trained(make_job(tmp_path, **FIELDS))
    newest, before = states(job.work)[:2]
    os.truncate(newest / "optimizer.pt", 100)
    log = read_log(job.output).drop_columns(TIMES)
    rendered, render = [], ExampleDataset.__getitem__
    monkeypatch.setattr(ExampleDataset, "__getitem__", lambda *each: rendered.append(each[1]) or render(*each))
    _, said = trained(tmp_path / "job.json")
    assert said[1:3] == [
        f"{newest} is skipped, optimizer.pt is not what was written",
        f"the training resumes from {before}",
    ]
    assert read_log(job.output).drop_columns(TIMES) == log
    # sixteen steps of four examples are skipped, and only those rendered on which two tokenizers are compared
    assert rendered[2 * CHECKED_EXAMPLES :][:4] == [64, 65, 66, 67]


def test_how_often_it_logs_and_saves_may_change_on_the_way(tmp_path: Path, make_job: Callable[..., Path]) -> None:
    job, _ = trained(make_job(tmp_path, **FIELDS))
    shutil.rmtree(states(job.work)[0])
    again = job.experiment.model_copy(update={"logging_steps": 1, "save_steps": 3})
    (tmp_path / "job.json").write_text(job.model_copy(update={"experiment": again}).model_dump_json())
    trained(tmp_path / "job.json")
    assert [row["step"] for row in read_log(job.output).to_pylist()][-5:] == [16, 17, 18, 19, 20]
    assert [state.name for state in states(job.work)] == ["checkpoint-20", "checkpoint-18", "checkpoint-16"]
