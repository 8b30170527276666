"""Trace, diff and history answer from the files; the job and the sensor of the UI do what the command line does."""

import shutil

import dagster as dg
import pytest

from arc_pipeline.arc.evaluation.diff import Side, compare_experiments, difference_lines
from arc_pipeline.arc.evaluation.results import PER_TASK
from arc_pipeline.defs.upkeep.runs import Batch
from arc_pipeline.errors import ArcPipelineError, MissingArtefact
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import read_table, write_table
from arc_pipeline.store.trace import lineage_chain

CELL = Artefact("metrics", "straight/t0.0")


def store_of(project) -> Store:
    return Store(project.data / "store")


def test_a_cell_is_traced_to_the_bytes_without_the_database(two) -> None:
    shutil.rmtree(two.data / "dagster_home")
    entries = {entry["artefact"]: entry for entry in lineage_chain(store_of(two), CELL)}
    chain = ["metrics[straight/t0.0]", "predictions[straight/t0.0]", "checkpoint[straight]"]
    assert next(iter(entries)) == chain[0]
    assert {*chain, "augmented_examples[straight]", "tasks[mirror]", "arc_source[mirror]"} <= entries.keys()
    assert not [name for name in entries if "turned" in name]
    assert all(entry["kept"] and entry["current"] for entry in entries.values())
    assert {"python", "packages", "hardware", "git_commit", "run_id", "seconds"} <= entries[
        "checkpoint[straight]"
    ].keys()


def test_where_database_and_files_disagree_is_said(two) -> None:
    session = two.load()
    entries = lineage_chain(session.store, CELL)
    assert session.compare(entries) == []
    record = session.store.lineage(CELL)
    session.instance.report_runless_asset_event(
        dg.AssetMaterialization("metrics", partition="t0.0|straight", tags={"dagster/data_version": "elsewhere"})
    )
    assert session.compare(entries) == [
        f"metrics[straight/t0.0]: the file has version {record.data_version[:8]}, Dagster's database has elsewher"
    ]


def test_two_versions_of_one_experiment_are_compared(two) -> None:
    before = store_of(two).lineage(CELL).data_version
    two.write("straight", learning_rate=0.25, seed=8)
    two.load().refresh(["straight"])
    store = store_of(two)
    old, new = Side.parse(f"straight@{before[:12]}", "t0.0"), Side.parse("straight", "t0.0")
    found = compare_experiments(store, old, new)
    assert found["config"] == ["learning_rate: 0.0001 -> 0.25", "seed: 7 -> 8"]
    assert found["code"] == {}
    assert found["tasks"]["tasks"] == 2
    assert "config: learning_rate: 0.0001 -> 0.25" in list(difference_lines(found))
    # the table before the change stays
    assert len(store.history(CELL)) == 2
    assert lineage_chain(store, CELL, before[:12])[0]["current"] is False


def without_column(store: Store, artefact: Artefact, column: str) -> None:
    """Makes the table of tasks as code before a metric was added would have."""
    record = store.lineage(artefact)
    with store.writing(artefact) as directory:
        shutil.copytree(store.current(artefact), directory, dirs_exist_ok=True)
        write_table(read_table(directory, PER_TASK).drop_columns([column]), directory, PER_TASK)
        store.commit(directory, record)


def test_a_metric_that_is_unknown_or_was_added_since_is_named(two) -> None:
    store = store_of(two)
    sides = Side.parse("straight", "t0.0"), Side.parse("turned", "t0.0")
    with pytest.raises(ArcPipelineError, match="unknown metric 'vote2'; did you mean 'vote_2'"):
        compare_experiments(store, *sides, "vote2")
    without_column(store, CELL, "vote_1")
    old = r"^metrics\[straight/t0.0\] was made by an older version, without vote_1; run: arc-pipeline refresh$"
    with pytest.raises(ArcPipelineError, match=old):
        compare_experiments(store, *sides, "vote_1")
    named = Side.parse(f"straight@{store.lineage(CELL).data_version[:12]}", "t0.0")
    with pytest.raises(
        ArcPipelineError, match=r"^metrics\[straight/t0.0\]@\w+ .* without vote_1; choose another --metric$"
    ):
        compare_experiments(store, named, sides[1], "vote_1")
    assert compare_experiments(store, *sides)["tasks"]["metric"] == "vote_2"


def test_a_table_over_experiments_names_the_one_that_lacks_a_metric(two) -> None:
    session = two.load()
    without_column(session.store, Artefact("experiment_summary", "straight"), "vote_2")
    outcome = session.run(Batch(None, [session.scanner().node(Artefact("results_table"))]))
    assert "experiment_summary[straight] was made by an older version, without vote_2; run: " in outcome.failed
    assert "refresh --select straight" in outcome.failed


def test_a_version_that_is_not_kept_is_named(two) -> None:
    with pytest.raises(MissingArtefact, match="has no version abc; there are: "):
        lineage_chain(store_of(two), CELL, "abc")


def test_the_job_of_the_ui_makes_what_is_stale_and_only_lists_it_if_told(two) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    job = session.definitions.resolve_job_def("refresh_job")
    listing = {"ops": {"refresh_stale": {"config": {"dry_run": True}}}}
    assert job.execute_in_process(instance=session.instance, run_config=listing).success
    assert "training_config[straight]" in names(session.plan())
    done = job.execute_in_process(instance=session.instance)
    assert done.success
    assert session.plan() == []
    linked = [event for event in done.all_events if event.event_type == dg.DagsterEventType.STEP_EXPECTATION_RESULT]
    runs = {event.event_specific_data.expectation_result.metadata["run"].value for event in linked}
    made = [session.instance.get_run_by_id(run) for run in runs]
    assert all(run.tags["command"] == "refresh_job" and run.remote_job_origin for run in made)
    assert "straight" in {run.tags.get("experiment") for run in made}


def names(statuses) -> set[str]:
    return {str(status.node.artefact) for status in statuses}


def test_the_sensor_proposes_each_training_once_and_only_stale_ones(two) -> None:
    two.write("straight", learning_rate=0.5)
    session = two.load()
    sensor = session.definitions.resolve_sensor_def("training_proposals_sensor")
    context = dg.build_sensor_context(instance=session.instance, definitions=session.definitions)
    requests = sensor.evaluate_tick(context).run_requests
    assert [request.partition_key for request in requests] == ["straight"]
    assert {key.to_user_string() for key in requests[0].asset_selection} >= {"checkpoint", "training_config"}
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_nothing_trains_or_predicts_by_itself(two) -> None:
    graph = two.load().graph
    automatic = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).automation_condition}
    assert not {"checkpoint", "predictions", "arc_source"} & automatic
    assert {"tasks", "augmented_examples", "metrics", "results_table"} <= automatic


def test_the_same_data_again_starts_nothing(two) -> None:
    session = two.load()
    first = dg.evaluate_automation_conditions(session.definitions, session.instance)
    session.run(two.batch("mirror", "tasks"))
    second = dg.evaluate_automation_conditions(session.definitions, session.instance, cursor=first.cursor)
    assert second.total_requested == 0
