"""The benchmark's two ways are compared before they are timed, and a difference is an error."""

import pytest

from arc_pipeline.arc.datasets import Catalogue
from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.bench import training
from arc_pipeline.bench.training import Case, rates
from arc_pipeline.defs.location import data_directory


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    """The real case, smaller."""
    for name, value in {"VOCABULARY": 256, "LAYERS": 1, "LONGEST": 300, "BATCH": 2, "ROUNDS": 1}.items():
        monkeypatch.setattr(training, name, value)
    return Case(Catalogue.read(data_directory()).load("arc-agi-1-training"))


def test_both_ways_are_equal_and_timed_by_turns(case: Case) -> None:
    checks = {supervise: case.check(supervise) for supervise in training.SUPERVISE}
    assert all("loss equal to 1e-06 of itself" in check for check in checks.values())
    seconds = case.interleaved(lambda text: None)
    assert {key: len(each) for key, each in seconds.items()} == dict.fromkeys(case.ways, 1)
    row = case.supervised_rate(seconds, checks["all-outputs"])
    assert list(row) == ["name", "ours", "reference", "ratio", "unit", "check"]
    assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])


def test_a_way_that_computes_something_else_is_an_error(case: Case) -> None:
    true_way = case.ways["answer", "ours"]
    case.ways["answer", "ours"] = lambda batch: true_way(batch[:1])
    with pytest.raises(ArcPipelineError, match="supervise answer: the two ways are not equal"):
        case.check("answer")


def test_rates_pair_the_rounds() -> None:
    assert rates(10, 10, [1.0, 2.0, 1.0], [2.0, 4.0, 1.0]) == (10.0, 5.0, 2.0)
