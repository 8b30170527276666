"""The estimate of a training: real steps in a process of its own, and one clear error where memory does not suffice."""

from pathlib import Path

import pytest

from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Pair, Task
from arc_pipeline.bench.estimate import estimate, validating
from arc_pipeline.bench.measure import sizes
from arc_pipeline.model.checkpoint import save_checkpoint
from arc_pipeline.model.loading import load_model, with_adapter
from arc_pipeline.model.tokenization import tiny_tokenizer

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
TASKS = {"d": [Task("mirror", PAIRS[:2], PAIRS[2:])]}


def an_experiment(**changes: object) -> Experiment:
    """1000 steps on one task."""
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1000, "batch_size": 4}
    return Experiment.model_validate(fields | {"predict": {"datasets": ["d"]}} | changes)


def test_an_estimate_has_time_memory_and_disk(tmp_path: Path) -> None:
    asked = {"datasets": ["d"], "at_steps": [100, 200]}
    found = estimate(an_experiment(micro_batch_size=2, predict=asked), "tiny", TASKS, tmp_path, budget=1)
    assert 3 <= found["measured_steps"] <= 16
    assert found["seconds_per_step"] > 0
    assert found["seconds"] > 1000 * found["seconds_per_step"]
    assert 100e6 < found["memory_bytes"] < found["memory_available_bytes"]
    assert found["disk_bytes"] == 3 * found["checkpoint_bytes"] + found["states_bytes"]
    assert found["states_bytes"] == 4 * 3 * 4 * found["parameters"]


def test_validation_is_part_of_the_estimate(tmp_path: Path) -> None:
    plain = an_experiment(validation=[{"dataset": "d"}], eval_steps=10)
    found = estimate(plain, "tiny", TASKS, tmp_path, budget=1)
    assert found["seconds"] > 1005 * found["seconds_per_step"]
    # a hundred times a third of a step on as many tokens as ten steps have
    assert validating(plain, {"validation_tokens": 400, "tokens_per_step": 40, "seconds_per_step": 3}) == 1000
    assert validating(an_experiment(), {}) == 0


def test_memory_that_does_not_suffice_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match=r"training of x does not fit the memory here.*try micro_batch_size 2"):
        estimate(an_experiment(), "tiny", TASKS, tmp_path, memory=60_000_000)


def test_an_error_of_the_experiment_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match="raise max_seq_len"):
        estimate(an_experiment(max_seq_len=16), "tiny", TASKS, tmp_path)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_sizes_are_those_of_the_files(tmp_path: Path, method: str) -> None:
    tokenizer, experiment = tiny_tokenizer(), an_experiment(tuning={"method": method, "rank": 8})
    model = load_model("tiny", 0, len(tokenizer))
    if method == "lora":
        model = with_adapter(model, experiment.tuning, 0)
    expected = sizes(model)["checkpoint_bytes"]
    save_checkpoint(model, tokenizer, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*")) == pytest.approx(expected, rel=0.05)
