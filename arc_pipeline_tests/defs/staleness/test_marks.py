"""What Dagster's database says of what is stale: it changes when that does, and only then."""

from typing import Any

import dagster as dg
import pytest

from arc_pipeline.defs.declare import IS_CURRENT
from arc_pipeline.defs.staleness.marks import Marks
from arc_pipeline.defs.staleness.scan_job import JOB
from arc_pipeline.defs.staleness.scanner import FRESH
from arc_pipeline.defs.upkeep.runs import Batch
from arc_pipeline.store.artefact import Artefact


def rows(session: Any, asset: str) -> dict[str | None, str]:
    """The latest verdict on each partition, and that on all of them as None."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), IS_CURRENT)
    found = session.instance.event_log_storage.get_asset_check_partition_info([key])
    return {row.partition_key: row.latest_execution_status.value for row in found}


def last(session: Any, asset: str) -> dg.AssetCheckEvaluation:
    """What the overview of an asset shows of the check."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), IS_CURRENT)
    record = session.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    return record.event.dagster_event.asset_check_evaluation_data


def observed(session: Any, asset: str, partition: str) -> dict[str, Any]:
    """The metadata of the latest observation."""
    filters = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    [record] = session.instance.fetch_observations(filters, limit=1).records
    found = record.asset_observation.metadata
    return {name: value.records if hasattr(value, "records") else value.value for name, value in found.items()}


def agree(session: Any) -> None:
    """Every partition that was made has the verdict of the scanner."""
    scanner = session.scanner()
    for status in scanner.scan():
        if scanner.recorded(status.node):
            expected = "SUCCEEDED" if status.status == FRESH else "FAILED"
            assert rows(session, status.node.key)[status.node.partition_key] == expected, status


def count(session: Any) -> int:
    """Events that are missing."""
    return len(Marks(session.scanner(), session.instance).events)


def test_after_a_refresh_all_is_marked_and_nothing_is_written_twice(two: Any) -> None:
    session = two.load()
    agree(session)
    assert last(session, "checkpoint").description == "all 2 are current"
    assert count(session) == 0
    runs = session.instance.get_runs_count()
    session.mark()
    assert session.instance.get_runs_count() == runs


def test_what_a_change_makes_stale_is_marked_with_its_cause_cost_and_reach(two: Any) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    session.mark()
    agree(session)
    assert rows(session, "metrics")["t0.0|straight"] == "FAILED"
    assert rows(session, "metrics")["t0.0|turned"] == "SUCCEEDED"
    assert last(session, "checkpoint").description.startswith("1 of 2 stale; redoing takes about ")
    assert not last(session, "results_table").passed
    seen = observed(session, "training_config", "straight")
    assert "learning_rate" in seen["why"]
    assert "with everything that is made from it about" in seen["redoing it takes"]
    below = {record.data["asset"]: record.data["partitions"] for record in seen["makes stale"]}
    assert next(iter(below)) == "checkpoint"
    assert below["checkpoint"] == "straight"
    assert below["results_table"] == "all"
    assert observed(session, "metrics", "t0.0|straight")["why"].startswith("training_config[straight] is stale: ")
    assert count(session) == 0


def test_another_reason_is_written_and_what_is_as_before_is_current_again(two: Any) -> None:
    before = (two.data / "experiments" / "straight.yaml").read_text()
    two.write("straight", learning_rate=0.5)
    two.load().mark()
    two.write("straight", learning_rate=0.25)
    session = two.load()
    session.mark()
    assert "0.25" in observed(session, "checkpoint", "straight")["why"]
    (two.data / "experiments" / "straight.yaml").write_text(before)
    session = two.load()
    session.mark()
    agree(session)
    assert observed(session, "checkpoint", "straight")["stale"] is False
    assert last(session, "checkpoint").passed


def test_redoing_it_clears_the_marks(two: Any) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    session.mark()
    session.refresh([])
    agree(session)
    assert count(session) == 0


def test_a_table_that_is_made_from_what_is_stale_is_not_current(two: Any) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    outcome = session.run(Batch(None, [session.scanner().node(Artefact("results_table"))]))
    assert outcome.made
    assert not last(session, "results_table").passed


def test_what_is_reported_again_is_marked_again(two: Any) -> None:
    session = two.load()
    event = session.instance.get_latest_materialization_event(dg.AssetKey("results_table")).asset_materialization
    session.instance.report_runless_asset_event(event)
    assert count(session) > 0
    session.mark()
    agree(session)
    assert count(session) == 0


@pytest.mark.parametrize("how", ["sensor", "job"])
def test_the_sensor_and_the_job_write_the_same(two: Any, how: str) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    if how == "job":
        assert session.definitions.resolve_job_def(JOB).execute_in_process(instance=session.instance).success
    else:
        sensor = session.definitions.resolve_sensor_def("staleness_sensor")
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        context = dg.build_sensor_context(instance=session.instance, definitions=session.definitions)
        assert "events written" in str(sensor.evaluate_tick(context).skip_message)
        assert sensor.evaluate_tick(context).skip_message == "nothing changed"
    agree(session)
