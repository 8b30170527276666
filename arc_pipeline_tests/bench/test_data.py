"""The examples that are timed are the same by both ways, whatever the augmentation, and a difference is an error."""

from collections.abc import Mapping, Sequence

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench import data, timing
from arc_pipeline.bench.data import compare_drawing, compare_reading, compare_rendering, refuse_differences
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project

DATASET = "arc-agi-1-training"


@pytest.fixture(scope="module")
def tasks() -> Mapping[str, Sequence[Task]]:
    return {DATASET: Project.current().datasets().load(DATASET)}


def test_rates_of_examples_in_all_augmentations(
    tasks: Mapping[str, Sequence[Task]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "EXAMPLES", 60)
    monkeypatch.setattr(timing, "ROUNDS", 1)
    fields = {"name": "e", "train": [{"dataset": DATASET}], "max_steps": 30, "batch_size": 2, "max_seq_len": 400}
    rows = compare_rendering(Experiment.model_validate(fields | {"predict": {"datasets": [DATASET]}}), tasks)
    assert [row["unit"] for row in rows] == ["examples/s"] * 3
    assert all(row["check"] == "60 examples of e have equal tokens and labels" for row in rows)
    assert rows[0]["ours"] == rows[1]["ours"] > rows[1]["reference"]


def test_examples_drawn_at_once_are_compared_with_those_drawn_one_by_one(
    tasks: Mapping[str, Sequence[Task]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "DRAWN", 64)
    monkeypatch.setattr(timing, "ROUNDS", 1)
    fields = {"name": "e", "train": [{"dataset": DATASET}], "max_steps": 30, "batch_size": 8, "max_seq_len": 1200}
    [row] = compare_drawing(Experiment.model_validate(fields | {"predict": {"datasets": [DATASET]}}), tasks)
    assert row["unit"] == "examples/s"
    assert row["check"].endswith("draws of e have equal recipes, lengths and hashes of tokens")
    assert row["ours"] / row["reference"] == pytest.approx(row["ratio"])


def test_reading_is_compared_with_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "ROUNDS", 1)
    [row] = compare_reading(lambda: Project.current().datasets().load(DATASET))
    assert (row["unit"], row["check"]) == ("tasks/s", "400 tasks are whole")
    assert row["ours"] / row["reference"] == pytest.approx(row["ratio"])


def test_a_difference_is_an_error() -> None:
    with pytest.raises(ArcPipelineError, match="example 1 has other tokens"):
        refuse_differences([{"input_ids": [1]}, {"input_ids": [2]}], [{"input_ids": [1]}, {"input_ids": [3]}])
