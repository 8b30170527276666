"""Test-time training in the real graph: what is asked is trained on, without its test pairs; a leak is stopped."""

import json
from typing import Any

from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import read_table

AT_TEST_TIME = {"initial_checkpoint": "base", "test_time": "dataset", "train": [], "tuning": {"method": "lora"}}


def adapted(project: Any) -> Any:
    """A session on a base, which trains on `mirror`, and on its test-time training on `asked`."""
    project.write_tasks("asked", ("cc", "dd"), last=5)
    asked = {"predict": {"datasets": ["asked"], "predictions": 2}}
    project.write("base", **asked)
    project.write("adapted", **AT_TEST_TIME, **asked)
    return project.load()


def test_demonstrations_of_what_is_asked_are_trained_on_and_the_table_says_what_that_gained(faked: Any) -> None:
    session = adapted(faked)
    assert not [each.failed for each in session.refresh([]) if each.failed]
    examples = Artefact("augmented_examples", "adapted")
    recipes = read_table(session.store.current(examples), "augmented_examples")
    assert set(recipes["dataset"].to_pylist()) == {"asked"}
    assert set(recipes["target"].to_pylist()) == {0, 1}
    check = session.store.lineage(examples).checks["only_demonstrations_are_trained_on"]
    assert check["passed"]
    assert check["description"].startswith("64 examples, 0 problems")
    labels = read_table(session.store.current(Artefact("contamination", "adapted")), "contamination")
    assert labels.to_pylist() == [{"dataset": "asked", "label": "seen as demonstrations"}]
    rows = read_table(session.store.current(Artefact("results_table")), "results_table").to_pylist()
    assert {row["experiment"] for row in rows if row["gains"]} == {"adapted"}

    # another base is another start
    faked.write("base", predict={"datasets": ["asked"], "predictions": 2}, learning_rate=1e-3)
    stale = {str(each.node.artefact) for each in faked.load().plan()}
    assert {"checkpoint[adapted]", "predictions[adapted/t0.0]"} <= stale
    assert "augmented_examples[adapted]" not in stale


def test_what_the_start_was_trained_on_counts_as_seen(faked: Any) -> None:
    faked.write_tasks("asked", ("cc", "dd"), last=5)
    asked = {"predict": {"datasets": ["asked"], "predictions": 2}}
    faked.write("base", **asked)
    faked.write("seen", **asked, train=[{"dataset": "asked"}])
    faked.write("adapted", **AT_TEST_TIME, **asked)
    assert label_of_adapted(faked) == "seen as demonstrations"
    # the start is trained on something else, or it is another one
    faked.write("base", **asked, train=[{"dataset": "asked"}])
    assert "contamination[adapted]" in {str(each.node.artefact) for each in faked.load().plan()}
    assert label_of_adapted(faked) == "trained-on"
    faked.write("base", **asked)
    assert label_of_adapted(faked) == "seen as demonstrations"
    faked.write("adapted", **AT_TEST_TIME | {"initial_checkpoint": "seen"}, **asked)
    assert "contamination[adapted]" in {str(each.node.artefact) for each in faked.load().plan()}
    assert label_of_adapted(faked) == "trained-on"


def label_of_adapted(project: Any) -> str:
    """As a refresh makes it; all tasks are there, so that no missing one can be the reason to make it again."""
    session = project.load()
    assert not [each.failed for each in session.refresh(["tasks", "contamination"]) if each.failed]
    [row] = read_table(session.store.current(Artefact("contamination", "adapted")), "contamination").to_pylist()
    return str(row["label"])


def test_a_test_pair_among_the_examples_stops_the_training(faked: Any) -> None:
    session = adapted(faked)
    faked.patch.setattr("arc_pipeline.model.examples.drawing.training_tasks", lambda experiment, tasks: tasks)
    failed = "\n".join(each.failed for each in session.refresh(["adapted"]))
    assert "its check only_demonstrations_are_trained_on failed" in failed
    assert session.store.lineage(Artefact("checkpoint", "base"))
    assert session.store.lineage(Artefact("checkpoint", "adapted")) is None
    offenders = session.store.lineage(Artefact("augmented_examples", "adapted")).checks[
        "only_demonstrations_are_trained_on"
    ]["offenders"]
    assert "asked/" in json.dumps(offenders)
    assert "test pair 0" in json.dumps(offenders)
    # nor does it begin in a later run, where Dagster's blocking check is not consulted
    assert "only_demonstrations" in session.run(faked.batch("adapted", "checkpoint")).failed
