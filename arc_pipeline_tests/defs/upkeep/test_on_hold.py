"""Experiments without weights, and those made on request, stand back: all others are made, and it is said why."""

from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import ExperimentCatalogue
from arc_pipeline.errors import MissingWeights

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture
def with_a_waiting_one(faked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`here` can begin; `far` has no weights on this machine, and `after` starts from `far`."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    faked.write("here")
    faked.write("far", model="org/far")
    faked.write("after", model="org/far", initial_checkpoint="far")
    return faked


def experiments_of(statuses) -> set[str]:
    return {each.node.experiment for each in statuses} - {""}


def test_a_plan_leaves_out_those_that_it_does_not_name(with_a_waiting_one) -> None:
    session = with_a_waiting_one.load()
    assert session.waiting().keys() == {"far", "after"}
    for select in ([], ["checkpoint"], ["t0.0"], ["mirror"]):
        assert experiments_of(session.plan(select)) <= {"here"}
    assert experiments_of(session.plan(["far"])) == {"far"}
    assert experiments_of(session.plan(["checkpoint[a*", "after"])) == {"after", "far"}


def test_a_refresh_makes_the_others_and_fails_nothing(with_a_waiting_one) -> None:
    session = with_a_waiting_one.load()
    outcomes = session.refresh([])
    assert outcomes
    assert not any(outcome.failed for outcome in outcomes)
    assert session.plan() == []


def test_one_that_is_named_says_in_one_line_where_its_weights_belong(with_a_waiting_one) -> None:
    session = with_a_waiting_one.load()
    with pytest.raises(MissingWeights, match=r"^far cannot begin: model 'org/far' is not .*into a directory.*$"):
        session.refuse_waiting(session.plan(["far"]))
    session.refuse_waiting(session.plan([]))
    outcome = session.run(with_a_waiting_one.batch("far", "initial_weights"))
    assert "initial_weights[far]: model 'org/far' is not on this machine: put its files" in outcome.failed
    assert len(outcome.failed.splitlines()) == 1


def test_with_weights_it_waits_no_longer(with_a_waiting_one, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--org--far" / "snapshots" / "aaa"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("aaa")
    assert with_a_waiting_one.load().waiting() == {}


def test_one_made_on_request_stands_back_until_it_was_made_once(faked) -> None:
    faked.write("here")
    faked.write("asked", on_request=True)
    session = faked.load()
    assert experiments_of(session.plan()) == {"here"}
    assert session.why_standing_back() == ["asked will be made when named, as in --select asked"]
    faked.write("after", initial_checkpoint="asked")
    session = faked.load()
    assert experiments_of(session.plan()) == {"here"}
    both = ["2 experiments (after to asked) will be made when named, as in --select after"]
    assert session.why_standing_back() == session.why_standing_back(["checkpoint"]) == both
    assert session.why_standing_back(["asked", "t0.0"]) == ["after will be made when named, as in --select after"]
    assert session.why_standing_back(["here"]) == session.why_standing_back(["checkpoint[a*]"]) == []
    assert not any(outcome.failed for outcome in session.refresh(["asked"]))
    assert session.why_standing_back() == []
    faked.write("asked", on_request=True, learning_rate=0.5)
    assert "asked" in experiments_of(faked.load().plan())


def test_all_experiments_that_ship_are_sound() -> None:
    from arc_pipeline.arc.tasks.catalogue import Catalogue

    catalogue = ExperimentCatalogue.read(DATA / "experiments", Catalogue.read(DATA).names())
    assert catalogue.faults == {}
    grid = {
        name: each
        for name, each in catalogue.experiments.items()
        if name.startswith(("original-full", "original-lora"))
    }
    assert {(each.tuning.method, each.max_steps) for each in grid.values()} == {
        (method, steps) for method in ("full", "lora") for steps in (10_000, 20_000, 50_000, 100_000)
    }
    rates = {(each.tuning.method, each.learning_rate, each.warmup_ratio, each.batch_size) for each in grid.values()}
    assert rates == {("full", 2e-5, 0.1, 16), ("lora", 1e-4, 0.1, 16)}
    assert {each.prompt for each in catalogue.get("original-multi-task").train} >= {"input-from-inputs-v0"}
