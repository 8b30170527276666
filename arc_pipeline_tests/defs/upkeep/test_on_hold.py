"""Experiments without weights, and those made on request, are on hold: all others are made, and it is said why."""

from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import ExperimentCatalogue
from arc_pipeline.errors import MissingWeights

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture
def with_one_on_hold(faked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`here` can begin; `far` has no weights on this machine, and `after` starts from `far`."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    faked.write("here")
    faked.write("far", model="org/far")
    faked.write("after", model="org/far", initial_checkpoint="far")
    return faked


def experiments_of(statuses) -> set[str]:
    return {each.node.experiment for each in statuses} - {""}


def test_a_plan_leaves_out_those_that_it_does_not_name(with_one_on_hold) -> None:
    session = with_one_on_hold.load()
    assert session.on_hold().without_weights.keys() == {"far", "after"}
    for select in ([], ["checkpoint"], ["t0.0"], ["mirror"]):
        assert experiments_of(session.plan(select)) <= {"here"}
    assert experiments_of(session.plan(["far"])) == {"far"}
    assert experiments_of(session.plan(["checkpoint[a*", "after"])) == {"after", "far"}


def test_a_refresh_makes_the_others_and_fails_nothing(with_one_on_hold) -> None:
    session = with_one_on_hold.load()
    outcomes = session.refresh([])
    assert outcomes
    assert not any(outcome.failed for outcome in outcomes)
    assert session.plan() == []


def test_one_that_is_named_says_in_one_line_where_its_weights_belong(with_one_on_hold) -> None:
    session = with_one_on_hold.load()
    with pytest.raises(MissingWeights, match=r"^far cannot begin: model 'org/far' is not .*into a directory.*$"):
        session.refuse_missing_weights(session.plan(["far"]))
    session.refuse_missing_weights(session.plan([]))
    outcome = session.run(with_one_on_hold.batch("far", "initial_weights"))
    assert "initial_weights[far]: model 'org/far' is not on this machine: put its files" in outcome.failed
    assert len(outcome.failed.splitlines()) == 1


def test_with_weights_it_is_not_on_hold(with_one_on_hold, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--org--far" / "snapshots" / "aaa"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("aaa")
    assert with_one_on_hold.load().on_hold().without_weights == {}


def test_one_made_on_request_is_skipped_until_it_was_made_once(faked) -> None:
    faked.write("here")
    faked.write("asked", on_request=True)
    session = faked.load()
    assert experiments_of(session.plan()) == {"here"}
    assert session.explain_on_hold() == ["asked is skipped unless selected, as with --select asked"]
    faked.write("after", initial_checkpoint="asked")
    session = faked.load()
    assert experiments_of(session.plan()) == {"here"}
    both = ["2 experiments (after to asked) are skipped unless selected, as with --select after"]
    assert session.explain_on_hold() == session.explain_on_hold(["checkpoint"]) == both
    assert session.explain_on_hold(["asked", "t0.0"]) == ["after is skipped unless selected, as with --select after"]
    assert session.explain_on_hold(["here"]) == session.explain_on_hold(["checkpoint[a*]"]) == []
    assert not any(outcome.failed for outcome in session.refresh(["asked"]))
    assert session.explain_on_hold() == []
    faked.write("asked", on_request=True, learning_rate=0.5)
    assert "asked" in experiments_of(faked.load().plan())


def test_all_experiments_that_ship_are_valid() -> None:
    from arc_pipeline.arc.tasks.catalogue import Catalogue

    catalogue = ExperimentCatalogue.read(DATA / "experiments", Catalogue.read(DATA).names())
    assert catalogue.faults == {}
    # a file's name is its partition's key: under another one, stores would lose what they have of it
    assert {path.name[:5] for path in (DATA / "experiments" / "original-study").iterdir()} == {"seed-"}
    grid = {name: each for name, each in catalogue.experiments.items() if name.startswith(("seed-full", "seed-lora"))}
    assert {(each.tuning.method, each.max_steps) for each in grid.values()} == {
        (method, steps) for method in ("full", "lora") for steps in (10_000, 20_000, 50_000, 100_000)
    }
    rates = {(each.tuning.method, each.learning_rate, each.warmup_ratio, each.batch_size) for each in grid.values()}
    assert rates == {("full", 2e-5, 0.1, 16), ("lora", 1e-4, 0.1, 16)}
    assert {each.prompt for each in catalogue.get("seed-multi-task").train} >= {"input-from-inputs-v0"}
