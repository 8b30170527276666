"""The estimate of a training: real steps in a process of its own, and one clear error where memory does not suffice."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.bench import measure
from arc_pipeline.bench.arithmetic import checkpoint_sizes
from arc_pipeline.bench.estimate import TrainingDoesNotFit, estimate_training, shortages, states_at_once, validating
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.states import prune_states, seal, state_path, states
from arc_pipeline.model.weights.checkpoint import save_checkpoint
from arc_pipeline.model.weights.loading import load_model, with_adapter
from arc_pipeline.model.weights.tokenization import tiny_tokenizer

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
TASKS = {"d": [Task("mirror", PAIRS[:2], PAIRS[2:])]}


def an_experiment(**changes: object) -> Experiment:
    """1000 steps on one task."""
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1000, "batch_size": 4}
    return Experiment.model_validate(fields | {"predict": {"datasets": ["d"]}} | changes)


def test_an_estimate_has_time_memory_and_disk(tmp_path: Path) -> None:
    asked = {"datasets": ["d"], "at_steps": [100, 200]}
    found = estimate_training(an_experiment(micro_batch_size=2, predict=asked), "tiny", TASKS, tmp_path, budget=1)
    assert 3 <= found["measured_steps"] <= 16
    assert found["seconds_per_step"] > 0
    assert found["seconds"] > 1000 * found["seconds_per_step"]
    assert 100e6 < found["memory_bytes"] < found["memory_available_bytes"]
    assert found["disk_bytes"] == 3 * found["checkpoint_bytes"] + found["states_bytes"]
    assert found["states_bytes"] == 4 * 3 * 4 * found["parameters"]


def test_validation_is_part_of_the_estimate(tmp_path: Path) -> None:
    plain = an_experiment(validation=[{"dataset": "d"}], eval_steps=10)
    found = estimate_training(plain, "tiny", TASKS, tmp_path, budget=1)
    assert found["seconds"] > 1005 * found["seconds_per_step"]
    # a hundred times a third of a step on as many tokens as ten steps have
    assert validating(plain, {"validation_tokens": 400, "tokens_per_step": 40, "seconds_per_step": 3}) == 1000
    # and once more after the last of the steps, where none of those falls there
    late = an_experiment(validation=[{"dataset": "d"}], eval_steps=300)
    assert validating(late, {"validation_tokens": 40, "tokens_per_step": 40, "seconds_per_step": 3}) == 4
    assert validating(an_experiment(), {}) == 0


def test_memory_that_does_not_suffice_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match=r"training of x does not fit the memory here.*try micro_batch_size 2"):
        estimate_training(an_experiment(), "tiny", TASKS, tmp_path, memory=60_000_000)


@pytest.mark.parametrize(
    ("said", "quoted"), [("CUDA out of memory. Tried to allocate", "80.00"), ("can't allocate memory", "50.00")]
)
def test_what_does_not_fit_the_gpu_quotes_the_memory_of_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, quoted: str
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError(said)

    def in_this_process(job: TrainingJob, directory: Path, budget: float, memory: int) -> dict:
        files = directory / "job.json", directory / "result.json"
        files[0].write_text(job.model_dump_json())
        measure.write_measurement(*map(str, files), "1")
        return json.loads(files[1].read_text())

    monkeypatch.setattr(measure, "measure_training", fails)
    monkeypatch.setattr(measure, "first_to_be_killed", lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(total_memory=80 * 10**9))
    monkeypatch.setattr("arc_pipeline.bench.estimate.run_measuring", in_this_process)
    monkeypatch.setattr("arc_pipeline.bench.estimate.SHARE_OF_MEMORY", 1)
    with pytest.raises(TrainingDoesNotFit, match=rf"does not fit the memory here \({quoted} GB for each process\)"):
        estimate_training(an_experiment(), "tiny", TASKS, tmp_path, memory=50 * 10**9)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 4),
        ({"validation": [{"dataset": "d"}]}, 5),
        ({"max_steps": 120}, 3),  # after 50, 100 and 120
        ({"max_steps": 30}, 1),
        ({"max_steps": 100, "validation": [{"dataset": "d"}]}, 2),
        ({"max_steps": 100, "validation": [{"dataset": "d"}], "eval_steps": 40}, 4),  # 40 and 80 may be the best
    ],
    ids=str,
)
def test_states_that_are_there_together(changes: dict[str, object], expected: int) -> None:
    assert states_at_once(an_experiment(**changes)) == expected


def test_no_more_states_are_there_than_estimated(tmp_path: Path) -> None:
    """Whatever was the best, while a state is being written."""
    of, most = an_experiment(max_steps=400, validation=[{"dataset": "d"}]), 0
    for step in range(50, 401, 50):
        state_path(tmp_path, step).mkdir()
        most = max(most, len(states(tmp_path)))
        seal(state_path(tmp_path, step))
        prune_states(tmp_path, best_step=50)
    assert most == states_at_once(of)


def test_what_is_too_little_is_said_with_its_numbers() -> None:
    found = {"memory_bytes": 3e9, "memory_available_bytes": 4e9, "disk_bytes": 2e9, "disk_available_bytes": 1e9}
    found["processes"] = 2
    (disk,) = shortages(an_experiment(), found)
    assert "too little room for the training of x (2.00 GB, 1.00 GB are free)" in disk
    (memory,) = shortages(an_experiment(), found | {"memory_bytes": 5e9, "disk_bytes": 1e9})
    assert "training of x does not fit the memory here (2.00 GB for each process)" in memory


def test_an_error_of_the_experiment_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match="raise max_seq_len"):
        estimate_training(an_experiment(max_seq_len=16), "tiny", TASKS, tmp_path)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_sizes_are_those_of_the_files(tmp_path: Path, method: str) -> None:
    tokenizer, experiment = tiny_tokenizer(), an_experiment(tuning={"method": method, "rank": 8})
    model = load_model("tiny", 0, len(tokenizer))
    if method == "lora":
        model = with_adapter(model, experiment.tuning, 0)
    expected = checkpoint_sizes(model)["checkpoint_bytes"]
    save_checkpoint(model, tokenizer, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*")) == pytest.approx(expected, rel=0.05)
