"""What a training will cost is said before it begins, and one that cannot fit the memory is never begun."""

import dagster as dg

from arc_pipeline.bench.estimate import TrainingDoesNotFit


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

    two.patch.setattr("arc_pipeline.bench.estimate.estimate", does_not_fit)
    (failed,) = [outcome.failed for outcome in session.refresh(["straight"]) if outcome.failed]
    assert "does not fit the memory here; try micro_batch_size 1" in failed
