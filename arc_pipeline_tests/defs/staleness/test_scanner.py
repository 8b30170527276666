"""Exactly what depends on a change is stale, on the real definitions and a real instance, with a fake model."""

import pytest

from arc_pipeline.errors import ArcPipelineError, MissingArtefact
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import read_table


def stale(project) -> dict[str, list[str]]:
    """The causes of everything that is not fresh, by artefact."""
    return {str(status.node.artefact): status.causes for status in project.load().plan()}


def of(names, *experiments: str) -> set[str]:
    """The names of artefacts that belong to some experiments."""
    return {name for name in names if any(f"[{each}]" in name or f"[{each}/" in name for each in experiments)}


TABLES = {"results_table", "temperature_table", "duration_table"}
ENDS = ("breakdown", "experiment_summary", "failures", "prediction_curve", "prompt_samples", "training_curve")
EVALUATION = ("attempts", "metrics", "predictions")


def downstream_of_checkpoint(experiment: str) -> set[str]:
    """Everything after a checkpoint."""
    candidates = {f"{asset}[{experiment}/{key}]" for asset in EVALUATION for key in ("t0.0", "t1.0")}
    ends = {f"{asset}[{experiment}]" for asset in ENDS}
    return candidates | ends | TABLES


def test_a_change_of_the_augmentation_redoes_what_it_changes(two, monkeypatch) -> None:
    monkeypatch.setattr("arc_pipeline.arc.augmentation.recipes.draw_transform", lambda rng: "transpose")
    for experiment in ("turned", "straight"):
        two.edit_record(f"augmented_examples/{experiment}", code_version="before", code={})
    session = two.load()
    assert {"checkpoint[turned]", "checkpoint[straight]"} <= set(stale(two))
    session.run(two.batch("turned", "augmented_examples"))
    session.run(two.batch("straight", "augmented_examples"))
    found = stale(two)
    # every transform is the same one now, which a check of `turned` finds
    assert of(found, "straight") == set()
    assert "transforms_are_uniform failed" in found.pop("augmented_examples[turned]")[0]
    examples = {"checkpoint[turned]", "contamination[turned]"}
    assert set(found) == examples | downstream_of_checkpoint("turned")
    assert "augmented_examples[turned] has a new version" in found["checkpoint[turned]"][0]


def test_a_changed_field_of_the_training(two) -> None:
    two.write("straight", learning_rate=0.5)
    found = stale(two)
    assert set(found) == {"training_config[straight]", "checkpoint[straight]"} | downstream_of_checkpoint("straight")
    assert "learning_rate: 0.0001 -> 0.5" in found["training_config[straight]"][0]
    assert found["checkpoint[straight]"] == ["training_config[straight] is stale"]


def test_a_prediction_dataset_more(two) -> None:
    two.write_tasks("other", ("cc",))
    two.write("straight", predict={"datasets": ["mirror", "other"], "predictions": 2})
    found = set(stale(two)) - {"arc_source[other]", "tasks[other]"}
    asked = {"prediction_config[straight]", "evaluation_tasks[straight]", "contamination[straight]"}
    assert found == asked | downstream_of_checkpoint("straight")


def test_a_temperature_more_leaves_what_is_there(two) -> None:
    two.set_decodings({"t0.0": 0.0, "t0.7": 0.7, "t1.0": 1.0})
    found = stale(two)
    new = {f"{asset}[{name}/t0.7]" for asset in EVALUATION for name in ("turned", "straight")}
    assert {name for name, causes in found.items() if causes == ["was never materialized"]} == new
    assert not [name for name in found if name.startswith(EVALUATION) and "t0.7" not in name]
    assert not [name for name in found if name.startswith("checkpoint")]


def test_a_byte_of_a_raw_file(two) -> None:
    two.write_tasks("spare", ("dd",))
    two.load().refresh(["spare"])
    two.write_tasks("mirror", last=7)
    found = stale(two)
    assert not [name for name in found if "spare" in name]
    assert "raw/mirror.json" in found["arc_source[mirror]"][0]
    assert {"tasks[mirror]", "checkpoint[turned]", "checkpoint[straight]", "metrics[turned/t1.0]"} <= set(found)
    assert not [name for name in found if "config" in name or name.startswith("initial")]


def test_a_new_checkpoint_marks_what_starts_from_it(two) -> None:
    two.write("second", initial_checkpoint="straight")
    two.load().refresh(["second"])
    assert stale(two) == {}
    two.write("straight", learning_rate=0.5)
    found = stale(two)
    assert {"initial_weights[second]", "checkpoint[second]", "results_table"} <= set(found)
    assert of(found, "turned") == set()
    two.load().refresh(["straight", "second"])
    assert stale(two) == {}


def test_a_table_that_missed_an_experiment_follows_its_selection(two) -> None:
    two.edit_record("results_table", upstream={})
    planned = {str(status.node.artefact) for status in two.load().plan(["straight"])}
    assert planned == {"results_table"}


def test_an_accepted_change_of_code_is_recorded_and_redoes_nothing(two) -> None:
    two.edit_record(
        "checkpoint/straight", code_version="before", code={"arc_pipeline.model.training.trainer:train": "0"}
    )
    found = stale(two)
    assert "its code changed: " in found["checkpoint[straight]"][0]
    session = two.load()
    session.accept("checkpoint", "straight", "only a message changed")
    assert stale(two) == {}
    record = session.store.lineage(Artefact("checkpoint", "straight"))
    assert record.accepted[0]["reason"] == "only a message changed"


def test_a_pattern_accepts_many_at_once_and_leaves_out_what_the_current_code_made(two) -> None:
    for name in ("straight/t0.0", "straight/t1.0", "turned/t0.0"):
        two.edit_record(f"metrics/{name}", code_version="before", code={})
    session = two.load()
    accepted = session.accept("metrics", "straight/*", "only a docstring changed")
    assert [record.artefact for record in accepted] == ["metrics[straight/t0.0]", "metrics[straight/t1.0]"]
    assert {name for name, causes in stale(two).items() if causes[0].startswith("its code changed")} == {
        "metrics[turned/t0.0]"
    }
    assert [record.artefact for record in session.accept("metrics", "*", "the same")] == ["metrics[turned/t0.0]"]
    assert stale(two) == {}
    with pytest.raises(ArcPipelineError, match="made by the current code"):
        session.accept("metrics", "*", "again")
    with pytest.raises(ArcPipelineError, match=r"there is no metrics\[straigth/\*\]"):
        session.accept("metrics", "straigth/*", "a slip")


def test_nothing_is_accepted_of_what_was_never_made(faked) -> None:
    faked.write("one")
    faked.write("two")
    session = faked.load()
    for partitions in ("*", "one"):
        with pytest.raises(MissingArtefact, match=r"nothing of checkpoint\[.*\] has been made yet"):
            session.accept("checkpoint", partitions, "too early")


def test_a_curve_asks_for_weights_that_were_kept_and_never_marks_the_checkpoint(two) -> None:
    asked = {"datasets": ["mirror"], "predictions": 2, "at_steps": [3, 6]}
    two.write("straight", predict=asked)
    assert set(stale(two)) == {"curve_config[straight]", "training_curve[straight]"}
    failed = [outcome.failed for outcome in two.load().refresh(["straight"]) if outcome.failed]
    assert "step 3 was not kept by the training (kept: none)" in failed[0]

    two.write("straight", predict=asked, learning_rate=0.5)
    assert not [outcome.failed for outcome in two.load().refresh(["straight"]) if outcome.failed]
    assert stale(two) == {}
    store = two.load().store
    curve = read_table(store.current(Artefact("training_curve", "straight")), "training_curve").to_pylist()
    assert [(row["step"], row["planned"]) for row in curve] == [(3, 4), (6, 4)]


def test_hundreds_of_partitions_are_scanned_in_seconds(two) -> None:
    for number in range(40):
        two.write(f"more{number}")
    assert len(two.load().plan()) > 40 * 10
