"""Before a training begins its cost is said, and which states it does not resume from; one that cannot fit the memory
is never begun."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.bench.estimate import TrainingDoesNotFit
from arc_pipeline.model.training.states import state_path


def observations(session, partition: str) -> list[dict]:
    """The numbers of each estimate, the newest first."""
    filter_ = dg.AssetRecordsFilter(asset_key=dg.AssetKey("checkpoint"), asset_partitions=[partition])
    records = session.instance.fetch_observations(filter_, limit=10).records
    return [{key: value.value for key, value in each.asset_observation.metadata.items()} for each in records]


def test_a_long_training_is_estimated_once_and_its_cost_observed(two) -> None:
    two.write("straight", max_steps=1000, batch_size=2)
    session = two.load()
    assert not [outcome.failed for outcome in session.refresh(["straight"]) if outcome.failed]
    (found,) = observations(session, "straight")
    assert found["estimated_seconds"] > 1000 * 0.001
    assert found["estimated_memory_bytes"] > 100e6
    assert found["estimated_disk_bytes"] > 4 * 800_000
    assert observations(session, "turned") == []  # 8 steps are over before their estimate is of use


def test_a_training_that_cannot_fit_is_not_begun(two) -> None:
    two.write("straight", max_steps=1000, batch_size=2)
    session = two.load()

    def does_not_fit(*arguments):
        raise TrainingDoesNotFit("the training of straight does not fit the memory here; try micro_batch_size 1")

    two.patch.setattr("arc_pipeline.bench.estimate.estimate_training", does_not_fit)
    (failed,) = [outcome.failed for outcome in session.refresh(["straight"]) if outcome.failed]
    assert "does not fit the memory here; try micro_batch_size 1" in failed


def test_a_disk_with_too_little_room_is_a_warning(two) -> None:
    two.write("straight", max_steps=1000, batch_size=2)
    session = two.load()
    found = {"seconds": 9.0, "memory_bytes": 1, "memory_available_bytes": 2, "tokens_per_second": 1.0, "processes": 1}
    found |= {"measured_steps": 3, "device": "cpu", "disk_bytes": 9 * 10**12, "disk_available_bytes": 10**9}
    two.patch.setattr("arc_pipeline.bench.estimate.estimate_training", lambda *arguments: found)
    said: list[str] = []
    two.patch.setattr("dagster.DagsterLogManager.warning", lambda self, words, *others: said.append(words))
    assert not [outcome.failed for outcome in session.refresh(["straight"]) if outcome.failed]
    assert [words for words in said if "the training of straight (9000.00 GB, 1.00 GB are free)" in words]
    assert observations(session, "straight")[0]["estimated_disk_bytes"] == 9 * 10**12


def an_unfinished_training(data: Path, identity: str, experiment: dict[str, Any]) -> Path:
    """States that are there when another training of the experiment begins."""
    work = data / "store" / "training" / "one" / identity
    state_path(work, 600).mkdir(parents=True)
    (work / "job.json").write_text(json.dumps({"experiment": experiment, "start": "tiny"}))
    return state_path(work, 600)


def test_other_states_are_named_with_what_changed(faked) -> None:
    faked.write("one")
    session = faked.load()
    fields = session.project.experiments().get("one").model_dump(mode="json")
    faster = an_unfinished_training(faked.data, "a", fields | {"learning_rate": 0.5})
    of_other_code = an_unfinished_training(faked.data, "b", fields)
    (faked.data / "store" / "training" / "one" / "c").mkdir()
    (outcome,) = [each for each in session.refresh(["checkpoint"]) if "checkpoint" in {n.key for n in each.made}]
    said = [entry.user_message for entry in session.instance.all_logs(outcome.run_id)]
    first, second = [words for words in said if words.startswith("this training begins at step 0")]
    assert f"does not resume from {faster}, because learning_rate: 0.5 -> " in first
    assert (
        f"does not resume from {of_other_code}, because its code, its examples or its initial weights changed" in second
    )
    assert "arc-pipeline prune" in second
