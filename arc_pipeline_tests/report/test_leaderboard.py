"""The leaderboard: its order, what it says on top, and where its figures come from."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arc_pipeline.report.leaderboard import Origin, conclusions, leaderboard, origin_of, parameters_in
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store


def row(experiment: str, vote_2: float, **other: Any) -> dict[str, Any]:
    values = {"vote_2": vote_2, "accuracy": 0.1}
    ends = {f"{name}_{end}": value for name, value in values.items() for end in ("low", "high")}
    fixed = {"dataset": "ten", "temperature": 0.0, "max_steps": 5, "contamination": "", "best": [], "trace": "t@1"}
    return {"experiment": experiment, **fixed, **values, **ends, "stale": False, **other}


def entries(*rows: dict[str, Any]) -> Any:
    return leaderboard(pd.DataFrame(list(rows)), lambda name: Origin(commit=name))


def test_the_highest_is_first_in_each_dataset_at_the_lowest_temperature() -> None:
    found = entries(row("low", 0.1), row("high", 0.9), row("hot", 1.0, temperature=1.0), row("a", 0.5, dataset="x"))
    assert [(each.dataset, each.experiment) for each in found] == [("ten", "high"), ("ten", "low"), ("x", "a")]
    assert [each.origin.commit for each in found] == ["high", "low", "a"]


@pytest.mark.parametrize(
    ("words", "badge"),
    [("", "unseen"), ("trained-on: 3 of 10", "trained-on"), ("seen as demonstrations", "seen as demonstrations")],
)
def test_a_badge_is_one_word_for_what_was_trained_on(words: str, badge: str) -> None:
    assert entries(row("one", 0.5, contamination=words))[0].badge == badge


def test_the_conclusion_says_what_speaks_against_it() -> None:
    lead = row("high", 0.9, best=["vote_2"], contamination="trained-on")
    assert conclusions(entries(row("low", 0.1, stale=True), lead)) == [
        "ten: high beats 1 other beyond chance, vote_2 90.0 % [90, 90]; its evaluation is trained-on; 1 of 2 is stale"
    ]
    (close,) = conclusions(entries(row("low", 0.1), row("high", 0.2)))
    assert close == "ten: high is the highest of 2, but not beyond chance, vote_2 20.0 % [20, 20]"
    assert leaderboard(pd.DataFrame(), lambda name: Origin()) == []


def test_parameters_are_counted_by_the_head_of_the_file(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    from safetensors.numpy import save_file

    save_file({"a": numpy.zeros((3, 4)), "b": numpy.zeros(5)}, tmp_path / "w", metadata={"format": "pt"})
    assert parameters_in(tmp_path / "w") == 17
    (tmp_path / "w").write_bytes(b"no weights at all")
    assert parameters_in(tmp_path / "w") is None
    assert parameters_in(tmp_path / "absent") is None


def test_the_origin_is_that_of_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert origin_of(store, "one") == Origin()
    with store.writing(Artefact("checkpoint", "one")) as directory:
        (directory / "config.json").write_text("{}")
        record = {"artefact": "checkpoint[one]", "data_version": "a" * 64, "code_version": "1", "upstream": {}}
        record |= {"metadata": {"training_seconds": 9.5}, "created_at": "2026-01-02T03:04:05+00:00"}
        record |= {"environment": {"git_commit": "0123456789abcdef-dirty"}}
        store.commit(directory, Lineage.model_validate(record))
    assert origin_of(store, "one") == Origin(None, 9.5, "2026-01-02", "0123456789-dirty")
