"""A training that is killed and resumed ends with the same bits as one that is not."""

import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arc_pipeline.model.checkpoint import read_log, weights_hash
from arc_pipeline.model.states import newest_sound, problem, state_path, states

STEPS = 20
FIELDS = {"max_steps": STEPS, "save_steps": 4, "logging_steps": 3, "micro_batch_size": 2, "learning_rate": 1e-3}
LORA = {"method": "lora", "rank": 4, "dropout": 0.2}
TIMES = ["seconds", "seconds_left", "tokens_per_second"]


def start(job: Path, **options: Any) -> "subprocess.Popen[str]":
    """The program in a process of its own, with one thread."""
    command = [sys.executable, "-m", "arc_pipeline.model.train", str(job)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **options)


def killed_after(job: Path, step: int) -> None:
    """Starts the program and ends it without warning some time after it reports a step from `step` on."""
    process = start(job)
    assert process.stderr
    with process, process.stderr:
        for line in process.stderr:
            if line.startswith("step ") and int(line.split("/")[0].removeprefix("step ")) >= step:
                break
        process.kill()


def optimizer(work: Path) -> dict[int, dict[str, torch.Tensor]]:
    """What the optimizer remembers of every weight at the end of the training."""
    return torch.load(state_path(work, STEPS) / "optimizer.pt", weights_only=True)["state"]


@pytest.mark.parametrize("tuning", [{"method": "full"}, LORA], ids=["full", "lora"])
def test_a_training_killed_three_times_is_the_same(
    tmp_path: Path, make_job: Callable[..., Path], tuning: dict[str, Any]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    fields = {**FIELDS, "tuning": tuning, "validation": [{"dataset": "d"}], "eval_steps": 5}
    uninterrupted = start(make_job(whole, **fields))
    job = make_job(killed, **fields)
    for step in sorted(random.Random().sample(range(4, STEPS), 3)):
        killed_after(job, step)
    ending = start(job).communicate()[1]
    assert "the training continues from" in ending
    assert "step 20/20" in uninterrupted.communicate()[1]

    logs = [read_log(each / "output").drop_columns(TIMES).to_pylist() for each in (whole, killed)]
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == [3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20]
    assert weights_hash(killed / "output") == weights_hash(whole / "output")
    assert (killed / "output/model.safetensors").read_bytes() == (whole / "output/model.safetensors").read_bytes()
    states_of = [optimizer(each / "work") for each in (whole, killed)]
    assert states_of[0].keys() == states_of[1].keys()
    for weight, remembered in states_of[0].items():
        assert all(torch.equal(value, states_of[1][weight][name]) for name, value in remembered.items())


def test_a_full_disk_ends_the_training_in_one_sentence(tmp_path: Path, make_job: Callable[..., Path]) -> None:
    job = make_job(tmp_path, **FIELDS)
    killed_after(job, 4)
    before = newest_sound(tmp_path / "work", print)
    assert before
    limit = 1_000_000  # bytes a file: less than the weights
    process = start(job, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "could not be written" in said.splitlines()[-1]
    assert "free some disk space and start again" in said.splitlines()[-1]
    assert states(tmp_path / "work")[0] == before
    assert problem(before) is None


def test_a_state_cut_short_is_skipped_with_a_warning(tmp_path: Path, make_job: Callable[..., Path]) -> None:
    job = make_job(tmp_path, **FIELDS)
    assert start(job).wait() == 0
    newest = states(tmp_path / "work")[0]
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    log = read_log(tmp_path / "output").drop_columns(TIMES)
    said = start(job).communicate()[1]
    assert f"{newest} is skipped, optimizer.pt is not what was written" in said
    assert f"the training continues from {state_path(tmp_path / 'work', 16)}" in said
    assert read_log(tmp_path / "output").drop_columns(TIMES) == log
