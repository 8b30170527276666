"""What the UI says of everything: words, owners, columns, pictures, and the offenders of a check that failed."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import arc_pipeline
from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.staleness.scanner import OF_SCORED
from arc_pipeline.project import Project

defs = build_definitions(Project.current())
SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
PACKAGE = Path(arc_pipeline.__file__).parent
# of an experiment whose candidates are not scored; the others are in assets/test_scoring.py
TABLES = [name for name, spec in SPECS.items() if "parquet" in spec.kinds and name not in OF_SCORED]


@pytest.mark.parametrize("asset", sorted(SPECS))
def test_every_asset_says_what_it_is_whose_and_where_its_code_is(asset: str) -> None:
    spec = SPECS[asset]
    assert spec.description
    assert spec.kinds
    assert spec.owners
    assert spec.group_name not in ("", "default")
    source = spec.metadata["dagster/code_references"].code_references[0]
    assert Path(source.file_path).parent == PACKAGE / "defs" / "assets"


def test_every_check_job_sensor_and_schedule_has_a_description() -> None:
    graph, repository = defs.resolve_asset_graph(), defs.get_repository_def()
    described = {str(key): graph.get_check_spec(key).description for key in graph.asset_check_keys}
    ours = [*repository.sensor_defs, *repository.schedule_defs]
    described |= {each.name: each.description for each in ours if each.name != "default_automation_condition_sensor"}
    described |= {job.name: job.description for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert {name for name, words in described.items() if not words} == set()


def latest(instance: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    """The metadata of an asset's latest materialization."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None, asset
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_every_table_says_how_long_it_is_and_what_its_columns_mean(two: Any) -> None:
    instance = two.load().instance
    unknown = {}
    for asset in TABLES:
        metadata = latest(instance, asset)
        assert metadata["dagster/row_count"] >= 0
        if "table" in metadata:
            # else the UI would show the columns before the table
            assert "dagster/column_schema" not in metadata
            assert "| column | type | meaning |" in metadata["columns"]
            assert "|  |" not in metadata["columns"]
            continue
        unknown[asset] = [c.name for c in metadata["dagster/column_schema"].columns if not c.description]
    assert {asset: names for asset, names in unknown.items() if names} == {}


def test_pictures_and_numbers_to_plot(two: Any) -> None:
    instance = two.load().instance
    assert "](data:image/png;base64," in latest(instance, "checkpoint")["loss_curve"]
    for asset, number in (("checkpoint", "loss"), ("metrics", "mirror/accuracy"), ("augmented_examples", "tokens")):
        assert isinstance(latest(instance, asset)[number], (int, float))


def test_a_failed_check_names_its_offenders(faked: Any) -> None:
    faked.write("bug", augmentation={"geometric": False, "colours": False, "target": "legacy-swap"}, max_steps=40)
    session = faked.load()
    session.refresh(["augmented_examples"])
    key = dg.AssetCheckKey(dg.AssetKey("augmented_examples"), "every_test_pair_is_a_target")
    execution = session.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    metadata = execution.event.dagster_event.asset_check_evaluation_data.metadata
    assert metadata["offenders"].value == 2
    assert "mirror/aa pair 2 (test)" in metadata["offending"].records[0].data["offender"]


def test_a_number_is_shown_as_a_person_reads_it(two: Any) -> None:
    shown = latest(two.load().instance, "metrics")["mirror/accuracy"]
    assert shown == float(f"{shown:.5g}")
