"""A new experiment is a copy, byte by byte, or the test-time training of another one, and never overwrites one."""

from pathlib import Path
from typing import Literal

import pytest
import yaml

from arc_pipeline.arc.experiment import Experiment, read_experiment
from arc_pipeline.arc.new_experiment import adapt_experiment, copy_experiment
from arc_pipeline.errors import ArcPipelineError

TEXT = "# why this exists\nmodel: tiny  # a comment\n"


def test_the_copy_keeps_comments(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    assert copy_experiment(tmp_path, "old", "fresh") == tmp_path / "fresh.yaml"
    assert (tmp_path / "fresh.yaml").read_text() == TEXT


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("old", "old", "is there already"),
        ("old", "../x", "only letters, digits"),
        ("old", ".x", "only letters, digits"),
        ("odl", "fresh", "did you mean 'old'"),
        ("../old", "fresh", "there is no experiment"),
    ],
)
def test_refusals(tmp_path: Path, source: str, name: str, message: str) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    with pytest.raises(ArcPipelineError, match=message):
        copy_experiment(tmp_path, source, name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.yaml"]


def test_a_copy_of_one_in_a_folder_lies_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "old.yaml").write_text(TEXT)
    assert copy_experiment(tmp_path, "old", "fresh") == tmp_path / "fresh.yaml"
    with pytest.raises(ArcPipelineError, match="is there already"):
        copy_experiment(tmp_path, "fresh", "old")


BASE = """
model: tiny
train: [{dataset: a}]
validation: [{dataset: b}]
augmentation: {colours: false, target: test-only}
max_steps: 600
max_seq_len: 512
learning_rate: 3.0e-3
predict: {datasets: [b], predictions: 4, at_steps: [100]}
"""


def test_test_time_training_keeps_what_the_model_and_the_questions_need(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    path = adapt_experiment(tmp_path, "base", "adapted")
    base, adapted = read_experiment(tmp_path / "base.yaml"), read_experiment(path)
    assert (adapted.test_time, adapted.initial_checkpoint) == ("dataset", "base")
    assert (adapted.tuning.method, adapted.tuning.rank) == ("lora", 8)
    assert adapted.datasets()["train"] == ["b"]
    assert (adapted.augmentation.colours, adapted.validation) == (False, [])
    for field in ("model", "grid_encoder", "max_seq_len", "learning_rate"):
        assert getattr(adapted, field) == getattr(base, field)
    assert adapted.predict == base.predict.model_copy(update={"at_steps": []})


@pytest.mark.parametrize("scope", ["dataset", "task"])
def test_what_made_the_source_fit_into_memory_is_kept(tmp_path: Path, scope: Literal["dataset", "task"]) -> None:
    saving = {"micro_batch_size": 4, "gradient_checkpointing": True, "precision": "bf16", "packing": "off"}
    (tmp_path / "base.yaml").write_text(BASE + yaml.safe_dump(saving))
    adapted = read_experiment(adapt_experiment(tmp_path, "base", "adapted", scope))
    assert adapted.model_dump(include=set(saving)) == saving


def test_settings_that_the_source_leaves_alone_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    written = yaml.safe_load(adapt_experiment(tmp_path, "base", "adapted").read_bytes())
    assert not written.keys() & {"micro_batch_size", "gradient_checkpointing", "precision", "packing", "batch_size"}


@pytest.mark.parametrize(("micro", "expected"), [("", 8), ("micro_batch_size: 2", 2)])
def test_one_process_takes_as_much_at_once_as_each_of_many(tmp_path: Path, micro: str, expected: int) -> None:
    (tmp_path / "base.yaml").write_text(f"{BASE}\nprocesses: 2\n{micro}")
    adapted = read_experiment(adapt_experiment(tmp_path, "base", "adapted"))
    assert (adapted.processes, adapted.batch_size, adapted.micro_batch_size) == (1, 16, expected)


def test_an_adapter_for_each_task_is_trained_for_fewer_steps(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    scopes = ("dataset", "task")
    both = [read_experiment(adapt_experiment(tmp_path, "base", f"of-{each}", each)) for each in scopes]
    assert [each.test_time for each in both] == ["dataset", "task"]
    assert both[1].max_steps < both[0].max_steps
    with pytest.raises(ArcPipelineError, match="start from base, as of-task does"):
        adapt_experiment(tmp_path, "of-task", "further")


def test_test_time_training_of_the_shortest_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("train: [{dataset: a}]\nmax_steps: 1\npredict: {datasets: [b]}")
    adapted = read_experiment(adapt_experiment(tmp_path, "base", "adapted"))
    assert adapted.augmentation == Experiment.model_fields["augmentation"].default
    with pytest.raises(ArcPipelineError, match="is there already"):
        adapt_experiment(tmp_path, "base", "adapted")
