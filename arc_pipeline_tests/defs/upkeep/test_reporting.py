"""What Dagster knows after its database was lost: the same, whether reported one by one or many at once."""

from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterInstance

from arc_pipeline.defs.staleness.scanner import FRESH
from arc_pipeline.defs.transaction import one_transaction
from arc_pipeline.defs.upkeep import reporting
from arc_pipeline.defs.upkeep.reporting import report_again, report_all

TAGS = ["dagster/data_version"]


def known(instance: DagsterInstance) -> dict[str, Any]:
    """What the UI and the scan ask for."""
    storage, found = instance.event_log_storage, {}
    for key in sorted(storage.all_asset_keys()):
        latest = instance.get_latest_materialization_event(key)
        event = latest.asset_materialization if latest else None
        found[key.to_user_string()] = [
            storage.get_latest_tags_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION, TAGS),
            storage.get_materialized_partitions(key),
            [record.asset_materialization for record in _events(instance, key)],
            event,
            instance.get_asset_records([key])[0].asset_entry.last_materialization_record.asset_materialization,
        ]
    found["runless"] = len(storage.get_logs_for_run(""))
    return found


def _events(instance: DagsterInstance, key: dg.AssetKey) -> list[Any]:
    return list(instance.fetch_materializations(key, limit=100, ascending=True).records)


def test_many_at_once_are_known_as_one_by_one(two, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(reporting, "AT_ONCE", 7)
    session = two.load()
    nodes, reported = session.scanner().nodes(), []
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    with (
        DagsterInstance.local_temp(str(tmp_path / "one")) as one_by_one,
        DagsterInstance.local_temp(str(tmp_path / "many")) as many,
    ):
        for node in nodes:
            report_again(one_by_one, session.store, node)
        report_all(many, session.store, nodes, lambda done, total: reported.append((done, total)))
        assert known(many) == known(one_by_one)
        assert reported[0] == (7, len(nodes))
        assert reported[-1] == (len(nodes), len(nodes))
        # and it can go on
        report_again(many, session.store, nodes[0])


def test_after_a_lost_database_everything_is_fresh_again(two) -> None:
    session = two.load()
    (two.data / "dagster_home" / "history" / "runs" / "index.db").unlink()
    session = two.load()
    report_all(session.instance, session.store, session.scanner().nodes())
    assert {status.status for status in session.scanner().scan()} == {FRESH}


def test_what_is_interrupted_is_reported_as_a_whole_or_not_at_all(two, tmp_path) -> None:
    session = two.load()
    nodes = session.scanner().nodes()
    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def interrupted() -> None:
            with one_transaction(instance.event_log_storage):
                report_again(instance, session.store, nodes[0])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert not instance.event_log_storage.all_asset_keys()
        report_all(instance, session.store, nodes[:1])
        assert len(instance.event_log_storage.all_asset_keys()) == 1
