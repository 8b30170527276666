"""What the training queue decides: from statuses written by hand, and from a project's own."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.run_process import PROCESS_TAG
from arc_pipeline.defs.staleness.scanner import Node, Status
from arc_pipeline.defs.upkeep import queue
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project

defs = build_definitions(Project.current())

STAGES = ("augmentation_config", "augmented_examples", "training_config", "initial_weights", "checkpoint")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Statuses:
    """A scanner of statuses written by hand, everything else fresh; `elsewhere` are parents of other partitions."""

    def __init__(self, status: dict[str, str], causes: dict[str, list[str]] | None = None, elsewhere=()):
        self._status, self._causes = status, causes or {}
        self._elsewhere = [Node(*each) for each in elsewhere]

    def status(self, node):
        name = str(node.artefact)
        return Status(node, self._status.get(name, "fresh"), self._causes.get(name, []))

    def parents(self, node):
        return self._elsewhere


def enter_run(
    instance: dg.DagsterInstance, experiment: str, status: dg.DagsterRunStatus, more_tags: dict[str, str] | None = None
) -> None:
    """Enters a run of one experiment's checkpoint."""
    job = defs.resolve_job_def("training_job")
    tags = {"dagster/partition": experiment} | (more_tags or {})
    instance.create_run_for_job(job, tags=tags, status=status, asset_selection=frozenset({dg.AssetKey("checkpoint")}))


def test_the_first_of_the_queue_that_is_missing_or_stale(instance) -> None:
    scanner = Statuses({"checkpoint[b]": "stale", "checkpoint[a]": "missing", "training_config[b]": "stale"})
    request = queue.next_training(scanner, instance, ["c", "b", "a"])
    assert request.partition_key == "b"
    assert {key.to_user_string() for key in request.asset_selection} == {"training_config", "checkpoint"}


def test_nothing_when_all_is_fresh(instance) -> None:
    skipped = queue.next_training(Statuses({"checkpoint[a]": "unrecorded"}), instance, ["a", "b"])
    assert skipped.skip_message == "every checkpoint of the queue is up to date"


def test_never_a_second_one() -> None:
    for status in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING"):
        with dg.DagsterInstance.ephemeral() as instance:
            enter_run(instance, "b", dg.DagsterRunStatus(status))
            skipped = queue.next_training(Statuses({"checkpoint[a]": "missing"}), instance, ["a"])
            assert skipped.skip_message.startswith(f"a training (b) is {status.lower()} in run ")


@pytest.mark.parametrize("minutes", [5, 0])
@pytest.mark.parametrize("begun", [False, True])
def test_none_before_the_retry_of_one_that_failed_just_now(
    instance, monkeypatch: pytest.MonkeyPatch, minutes: int, begun: bool
) -> None:
    monkeypatch.setattr(queue, "RETRIED_WITHIN", timedelta(minutes=minutes))
    tags = {"dagster/will_retry": "true"} | ({"dagster/auto_retry_run_id": "another"} if begun else {})
    enter_run(instance, "b", dg.DagsterRunStatus.FAILURE, tags)
    found = queue.next_training(Statuses({"checkpoint[a]": "missing"}), instance, ["a"])
    assert isinstance(found, dg.SkipReason) == (minutes > 0 and not begun)


def test_what_failed_last_comes_last(instance) -> None:
    enter_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    scanner = Statuses({"checkpoint[a]": "missing", "checkpoint[b]": "missing"})
    assert queue.next_training(scanner, instance, ["a", "b"]).partition_key == "b"
    assert queue.next_training(scanner, instance, ["a"]).partition_key == "a"


def test_what_cannot_succeed_is_passed_over_with_a_reason(instance) -> None:
    bad = {"checkpoint[a]": "missing", "augmented_examples[a]": "stale"}
    failed = Statuses(bad, {"augmented_examples[a]": ["its check transforms_are_uniform failed: p = 0"]})
    skipped = queue.next_training(failed, instance, ["a"])
    assert skipped.skip_message == "a: augmented_examples[a]: its check transforms_are_uniform failed: p = 0"
    behind = Statuses({"checkpoint[a]": "missing", "tasks[mirror]": "stale"}, {}, [("tasks", "mirror")])
    skipped = queue.next_training(behind, instance, ["a"])
    assert skipped.skip_message == "a: tasks[mirror] is stale, materialize it first"


def test_the_order_is_the_file_s_or_alphabetical(project: SimpleNamespace) -> None:
    for name in ("b", "a", "c"):
        project.write(name)
    project.write("on-request", on_request=True)
    files = Project(project.data)
    path = files.queue_file
    assert queue.read_queue(files) == ["a", "b", "c"]
    path.write_text("- c\n- a\n")
    assert queue.read_queue(files) == ["c", "a"]
    path.write_text("- d\n")
    with pytest.raises(ArcPipelineError, match=r"training_queue.yaml.*no such experiment"):
        queue.read_queue(files)
    path.write_text("a: 1\n")
    with pytest.raises(ArcPipelineError, match="must be a list of experiments"):
        queue.read_queue(files)


def test_a_project_s_own_statuses(project: SimpleNamespace) -> None:
    project.write("a")
    session = project.load()
    skipped = queue.next_training(session.scanner(), session.instance, ["a"])
    assert skipped.skip_message == "a: tasks[mirror] is missing, materialize it first"
    session.refresh(["tasks"])
    request = queue.next_training(session.scanner(), session.instance, ["a"])
    assert request.partition_key == "a"
    assert {key.to_user_string() for key in request.asset_selection} == set(STAGES)


def test_a_retry_is_not_taken_for_dead_by_the_process_of_the_run_before_it(instance) -> None:
    job, gone = defs.resolve_job_def("training_job"), {PROCESS_TAG: f"{socket.gethostname()}/0"}
    started = dg.DagsterRunStatus.STARTED
    dead = instance.create_run_for_job(job, tags=gone, status=started)
    retry = instance.create_run_for_job(
        job, tags=gone, status=started, parent_run_id=dead.run_id, root_run_id=dead.run_id
    )
    queue.dead_runs_sensor(dg.build_sensor_context(instance))
    assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(retry.run_id).status == started


def test_it_is_off_by_default_and_comes_in_the_evening() -> None:
    schedule = defs.resolve_schedule_def("training_queue_schedule")
    assert schedule.cron_schedule == "0 20 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
