"""A test set without solutions: everything but metrics is made of it; solutions that arrive later add only those."""

import json
from pathlib import Path
from typing import Any

from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import read_table

DEMONSTRATIONS = [{"input": [[1, 1, 2]], "output": [[2, 1, 1]]}, {"input": [[3, 4, 5]], "output": [[5, 4, 3]]}]
HIDDEN = {"h1": [[[5, 6, 7, 8]]], "h2": [[[7, 8, 7, 9]], [[9, 8, 1, 1]]]}
AT_TEST_TIME = {"initial_checkpoint": "base", "test_time": "dataset", "train": [], "tuning": {"method": "lora"}}


def write_hidden(data: Path) -> None:
    """Two tasks of which only the questions are known."""
    tasks = {
        name: {"train": DEMONSTRATIONS, "test": [{"input": grid} for grid in grids]} for name, grids in HIDDEN.items()
    }
    (data / "raw" / "hid_challenges.json").write_text(json.dumps(tasks))


def write_solutions(data: Path) -> None:
    """Their outputs."""
    outputs = {name: [[row[::-1] for row in grid] for grid in grids] for name, grids in HIDDEN.items()}
    (data / "raw" / "hid_solutions.json").write_text(json.dumps(outputs))


def test_questions_are_answered_and_later_solutions_add_the_metrics(faked: Any) -> None:
    write_hidden(faked.data)
    asked = {"predict": {"datasets": ["hid"], "predictions": 2}}
    faked.write("base")
    faked.write("adapted", **AT_TEST_TIME, **asked)
    session = faked.load()
    assert not [each.failed for each in session.refresh([]) if each.failed]

    store = session.store
    assert read_table(store.current(Artefact("predictions", "adapted/t0.0")), "predictions").num_rows == 6
    written = store.current(Artefact("attempts", "adapted/t0.0")) / "hid" / "submission.json"
    assert {name: len(entries) for name, entries in json.loads(written.read_text()).items()} == {"h1": 1, "h2": 2}
    for asset, partition in (("metrics", "adapted/t0.0"), ("failures", "adapted"), ("experiment_summary", "adapted")):
        assert store.lineage(Artefact(asset, partition)).metadata["without_solutions"] == "hid has no solutions"
        assert read_table(store.current(Artefact(asset, partition)), asset).num_rows == 0
    [row] = read_table(store.current(Artefact("contamination", "adapted")), "contamination").to_pylist()
    assert row == {"dataset": "hid", "label": "no solutions; seen as demonstrations"}
    examples = read_table(store.current(Artefact("augmented_examples", "adapted")), "augmented_examples")
    assert set(examples["target_is_test"].to_pylist()) == {False}
    made = {name: store.lineage(Artefact(*name)).id for name in KEPT}

    write_solutions(faked.data)
    session = faked.load()
    assert not [each.failed for each in session.refresh([]) if each.failed]
    assert {name: session.store.lineage(Artefact(*name)).id for name in KEPT} == made
    [row] = read_table(session.store.current(Artefact("metrics", "adapted/t0.0")), "metrics").to_pylist()
    assert (row["dataset"], row["tasks"], row["test_pairs"], row["answered"]) == ("hid", 2, 3, 6)
    assert session.plan() == []


KEPT = [("checkpoint", "adapted"), ("predictions", "adapted/t0.0"), ("attempts", "adapted/t1.0")]


def test_validation_needs_solutions(faked: Any) -> None:
    write_hidden(faked.data)
    faked.write("base", validation=[{"dataset": "hid"}], eval_steps=4)
    failed = "\n".join(each.failed for each in faked.load().refresh(["checkpoint[base]"]))
    assert "validation: hid has no solutions, so no loss can be measured on it" in failed
