"""One adapter a task: each begins with the same weights, survives interruptions bit by bit, and answers its task."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA
from arc_pipeline.arc.augmentation.test_time import draw_training
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.requests import candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.model.prediction.candidates import complete_candidates
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.program import run
from arc_pipeline.model.training.task_adapters import mean_log
from arc_pipeline.model.training.throughput import progress_line
from arc_pipeline.model.weights.checkpoint import read_log, task_adapters, weights_hash
from arc_pipeline.model.weights.loading import load_checkpoint
from arc_pipeline.model.weights.tokenization import measured_by, tiny_tokenizer
from arc_pipeline.store.tables import write_table

PAIRS = tuple(Pair(((a, b),), ((b, a),)) for a, b in ((1, 2), (3, 4), (5, 6)))
COPIES = tuple(Pair(((a, b),), ((a, b),)) for a, b in ((1, 2), (3, 4), (7, 8)))
TASKS = [Task("mir/ror", PAIRS[:2], PAIRS[2:]), Task("copy", COPIES[:2], COPIES[2:]), Task("one", PAIRS[:1], PAIRS[1:])]
FIELDS: dict[str, Any] = {"name": "x", "initial_checkpoint": "base", "test_time": "task", "max_steps": 3, "seed": 3}
FIELDS |= {"batch_size": 2, "logging_steps": 1, "learning_rate": 1e-2, "tuning": {"method": "lora", "rank": 4}}
FIELDS |= {"predict": {"datasets": ["d"], "predictions": 2}, "save_steps": 2}


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    """Three tasks, one of which has a single demonstration, and so nothing to train on."""
    return job_in(tmp_path)


def job_in(directory: Path) -> TrainingJob:
    experiment = Experiment.model_validate(FIELDS)
    measure = measured_by(tiny_tokenizer(), parse_encoder(experiment.grid_encoder))
    rows = [row for fits, row in draw_training(experiment, {"d": TASKS}, measure) if fits]
    for name in ("output", "work"):
        (directory / name).mkdir(parents=True)
    write_table(pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA), directory, "augmented_examples")
    write_table(tasks_table(TASKS), directory, "tasks")
    return TrainingJob(
        experiment=experiment,
        start="tiny",
        examples=directory,
        tasks={"d": directory},
        work=directory / "work",
        output=directory / "output",
    )


def contents(output: Path) -> dict[tuple[str, str], str]:
    files = {name: path / "adapter_model.safetensors" for name, path in task_adapters(output).items()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_each_task_has_an_adapter_and_the_weights_are_those_of_the_start(job: TrainingJob) -> None:
    said: list[dict[str, Any]] = []
    run(job, said.append)
    adapters = contents(job.output)
    assert adapters.keys() == {("d", "mir/ror"), ("d", "copy")}
    assert len(set(adapters.values())) == 2
    (start, _), (loaded, _) = load_start(job), load_checkpoint(job.output)
    assert all(bool((a == b).all()) for a, b in zip(start.parameters(), loaded.parameters(), strict=True))
    log = read_log(job.output).to_pylist()
    assert [row["step"] for row in log] == [1, 2, 3]
    assert said[0]["message"] == "2 of 3 tasks have demonstrations to train on, 2 to go"
    assert [progress_line(each).partition(":")[0] for each in said[1:]] == ["task 1/2, d/mir/ror", "task 2/2, d/copy"]
    # other adapters are another version
    version = weights_hash(job.output)
    (task_adapters(job.output)["d", "copy"] / "adapter_model.safetensors").write_bytes(b"")
    assert weights_hash(job.output) != version


def load_start(job: TrainingJob) -> Any:
    from arc_pipeline.model.weights.loading import load_start

    return load_start(job.start, job.experiment)


@pytest.mark.parametrize("after", ["adapter", "loss"])
def test_an_interrupted_one_goes_on_with_equal_bytes(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    run(job, lambda row: None)
    again = job_in(tmp_path / "again")

    class Interrupted(Exception):
        pass

    def interrupt(row: dict[str, Any]) -> None:
        if "adapter" in row if after == "adapter" else row.get("step") == 3:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("arc_pipeline.model.training.task_adapters._only_messages", lambda report: report)
        with pytest.raises(Interrupted):
            run(again, interrupt)
    assert not task_adapters(again.output)
    said: list[dict[str, Any]] = []
    run(again, said.append)
    assert contents(again.output) == contents(job.output)
    assert sum("adapter" in row for row in said) == {"adapter": 1, "loss": 2}[after]
    assert any("resumes from" in row.get("message", "") for row in said) == (after == "loss")


def test_how_often_it_is_logged_may_change_on_the_way_and_what_was_cut_short_is_trained_again(job: TrainingJob) -> None:
    run(job, lambda row: None)
    adapters = contents(job.output)
    [cut] = (job.work / "tasks" / "d").glob("copy/adapter_model.safetensors")
    cut.write_bytes(cut.read_bytes()[:100])
    again = job.model_copy(update={"experiment": job.experiment.model_copy(update={"logging_steps": 3})})
    shutil.rmtree(job.output)
    job.output.mkdir()
    said: list[dict[str, Any]] = []
    run(again, said.append)
    assert [row["adapter"] for row in said if "adapter" in row] == ["d/copy"]
    assert contents(again.output) == adapters
    assert [row["step"] for row in read_log(again.output).to_pylist()] == [1, 2, 3]


def test_each_task_is_completed_with_its_own_adapter(job: TrainingJob) -> None:
    run(job, lambda row: None)
    requests = list(candidate_requests(job.experiment, {"d": TASKS}))
    found = dict(complete_candidates(job.output, requests, job.experiment))
    assert found.keys() == set(range(len(requests)))
    for index, request in enumerate(requests):
        alone = dict(complete_candidates(job.output, [request], job.experiment))
        assert [completion.text for completion in alone.values()] == [found[index].text]
    bare = job.output.with_name("bare")
    job.output.rename(bare)
    for path in task_adapters(bare).values():
        (path / "adapter_model.safetensors").unlink()
    for index, completion in complete_candidates(bare, requests, job.experiment):
        same = completion.logprob == pytest.approx(found[index].logprob, abs=1e-5)
        assert same == (requests[index].task.task_id == "one")


def test_logs_of_several_trainings_become_one() -> None:
    row = {"step": 1, "max_steps": 1, "learning_rate": 0.5, "grad_norm": 1.0, "seconds_left": 0.0, "eval_loss": None}
    logs = [[{**row, "loss": loss, "seconds": loss, "tokens_per_second": 1.0}] for loss in (1.0, 3.0)]
    logs[1].append({**logs[1][0], "step": 2})
    both = {**row, "loss": 2.0, "seconds": 4.0, "tokens_per_second": 1.0}
    assert mean_log(logs) == [both, {**both, "step": 2, "loss": 3.0, "seconds": 3.0}]
