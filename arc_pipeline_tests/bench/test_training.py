"""The benchmark's two steps are compared before they are timed, and a difference is an error."""

from collections.abc import Sequence

import pytest

from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench import examples, timing, training
from arc_pipeline.bench.timing import rates
from arc_pipeline.bench.training import StepCase, packing_row
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.loading import TINY_CONFIG
from arc_pipeline.project import Project


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> StepCase:
    """The real case, smaller."""
    few = TINY_CONFIG | {"num_hidden_layers": 1, "vocab_size": 256}
    for name, value in {"FEW_LAYERS": few, "BATCH": 2, "PADDED_BATCH": 3}.items():
        monkeypatch.setattr(training, name, value)
    monkeypatch.setattr(timing, "ROUNDS", 1)
    monkeypatch.setattr(examples, "LONGEST", 300)
    return StepCase(tasks())


def tasks() -> Sequence[Task]:
    return Project.current().datasets().load("arc-agi-1-training")


def test_both_steps_are_equal_and_timed_by_turns(case: StepCase) -> None:
    checks = {supervise: case.check(supervise) for supervise in training.SUPERVISE}
    assert all("loss equal to 1e-06 of itself" in check for check in checks.values())
    seconds = case.interleaved(lambda text: None)
    assert {key: len(each) for key, each in seconds.items()} == dict.fromkeys(case.steps, 1)
    row = case.supervised_rate(seconds, checks["all-outputs"])
    assert list(row) == ["name", "ours", "reference", "ratio", "unit", "check"]
    assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])


def test_a_step_that_computes_something_else_is_an_error(case: StepCase) -> None:
    true_step = case.steps["answer", "ours"]
    case.steps["answer", "ours"] = lambda batch: true_step(batch[:1])
    with pytest.raises(ArcPipelineError, match="supervise answer: the two steps are not equal"):
        case.check("answer")


def test_packed_and_padded_are_equal(case: StepCase) -> None:
    row = packing_row(tasks(), lambda text: None)
    assert row["name"] == "tiny model, 3 examples packed, against a batch padded to its longest"
    assert "gradients to 1e-05 of the largest" in row["check"]


def test_rates_pair_the_rounds() -> None:
    assert rates(10, 10, [1.0, 2.0, 1.0], [2.0, 4.0, 1.0]) == (10.0, 5.0, 2.0)
