"""Costs that are counted without weights: exact in what is exact, plausible in the rest."""

from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.bench import arithmetic
from arc_pipeline.bench.estimate import estimate_training
from arc_pipeline.errors import ArcPipelineError

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
TASKS = {"d": [Task("mirror", PAIRS[:2], PAIRS[2:])]}
ARCHITECTURE = "Qwen/Qwen2-0.5B"
# its embedding and its head are the same matrix
HEAD = 151_936 * 896
PARAMETERS = 494_032_768


@pytest.fixture(autouse=True)
def nothing_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(arithmetic, "measured_speed", lambda precision: ("test", 1e12))


def an_experiment(**changes: object) -> Experiment:
    fields = {"name": "x", "model": ARCHITECTURE, "train": [{"dataset": "d"}], "max_steps": 1000, "batch_size": 4}
    return Experiment.model_validate(fields | {"predict": {"datasets": ["d"]}} | changes)


def counted(tmp_path: Path, **changes: object) -> dict:
    return estimate_training(an_experiment(**changes), ARCHITECTURE, TASKS, tmp_path)


def test_parameters_and_operations_of_a_known_architecture(tmp_path: Path) -> None:
    found = counted(tmp_path)
    assert (found["parameters"], found["trained"], found["measured_steps"]) == (PARAMETERS, PARAMETERS, 0)
    per_token = found["operations"] / 1000 / (found["tokens_per_second"] * found["seconds_per_step"])
    # six operations a weight and token; attention and the few tokens that reach the head add a little
    assert 1 < per_token / (6 * (PARAMETERS - HEAD)) < 1.2
    assert found["seconds"] == pytest.approx(found["operations"] / 0.4e12)
    assert found["disk_bytes"] > found["checkpoint_bytes"] == 4 * PARAMETERS


def test_an_adapter_costs_two_thirds_and_a_cut_vocabulary_less(tmp_path: Path) -> None:
    full, lora, cut = (
        counted(tmp_path, **changes) for changes in ({}, {"tuning": {"method": "lora"}}, {"vocabulary": "used"})
    )
    assert 0.6 < lora["operations"] / full["operations"] < 0.75
    assert lora["memory_bytes"] < full["memory_bytes"] / 2
    assert full["parameters"] - cut["parameters"] == pytest.approx(HEAD, rel=0.01)
    assert cut["operations"] < full["operations"]


def test_more_processes_share_the_work(tmp_path: Path) -> None:
    one, two = counted(tmp_path), counted(tmp_path, processes=2)
    assert two["operations"] == pytest.approx(one["operations"])
    assert two["seconds"] == pytest.approx(one["seconds"] / 2)


def test_a_model_of_no_known_architecture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match="org/other"):
        estimate_training(an_experiment(model="org/other"), "org/other", TASKS, tmp_path)
