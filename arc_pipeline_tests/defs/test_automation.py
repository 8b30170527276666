"""What the training queue decides: from statuses written by hand, and from a project's own."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

STAGES = ("augmentation_config", "augmented_examples", "training_config", "initial_weights", "checkpoint")


@pytest.fixture
def automation(project: SimpleNamespace) -> SimpleNamespace:
    """The module, loaded from a project with three experiments."""
    for name in ("a", "b", "c"):
        project.write(name)
    project.load()
    return importlib.import_module("arc_pipeline.defs.automation")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Statuses:
    """A scanner of statuses written by hand, everything else fresh; `elsewhere` are parents of other partitions."""

    def __init__(self, automation, status: dict[str, str], causes: dict[str, list[str]] | None = None, elsewhere=()):
        self._automation, self._status, self._causes = automation, status, causes or {}
        self._elsewhere = [automation.Node(*each) for each in elsewhere]

    def status(self, node):
        name = str(node.artefact)
        return self._automation.Status(node, self._status.get(name, "fresh"), self._causes.get(name, []))

    def parents(self, node):
        return self._elsewhere


def enter_run(instance: dg.DagsterInstance, experiment: str, status: dg.DagsterRunStatus) -> None:
    """Enters a run of one experiment's checkpoint."""
    job = importlib.import_module("arc_pipeline.definitions").defs.resolve_job_def("training_job")
    tags = {"dagster/partition": experiment}
    instance.create_run_for_job(job, tags=tags, status=status, asset_selection=frozenset({dg.AssetKey("checkpoint")}))


def test_the_first_of_the_queue_that_is_missing_or_stale(automation, instance) -> None:
    scanner = Statuses(
        automation, {"checkpoint[b]": "stale", "checkpoint[a]": "missing", "training_config[b]": "stale"}
    )
    request = automation.next_training(scanner, instance, ["c", "b", "a"])
    assert request.partition_key == "b"
    assert {key.to_user_string() for key in request.asset_selection} == {"training_config", "checkpoint"}


def test_nothing_when_all_is_fresh(automation, instance) -> None:
    skipped = automation.next_training(Statuses(automation, {"checkpoint[a]": "unrecorded"}), instance, ["a", "b"])
    assert skipped.skip_message == "every checkpoint of the queue is up to date"


def test_never_a_second_one(automation) -> None:
    for status in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING"):
        with dg.DagsterInstance.ephemeral() as instance:
            enter_run(instance, "b", dg.DagsterRunStatus(status))
            skipped = automation.next_training(Statuses(automation, {"checkpoint[a]": "missing"}), instance, ["a"])
            assert skipped.skip_message.startswith(f"a training (b) is {status.lower()} in run ")


def test_what_failed_last_comes_last(automation, instance) -> None:
    enter_run(instance, "a", dg.DagsterRunStatus.FAILURE)
    scanner = Statuses(automation, {"checkpoint[a]": "missing", "checkpoint[b]": "missing"})
    assert automation.next_training(scanner, instance, ["a", "b"]).partition_key == "b"
    assert automation.next_training(scanner, instance, ["a"]).partition_key == "a"


def test_what_cannot_succeed_is_passed_over_with_a_reason(automation, instance) -> None:
    bad = {"checkpoint[a]": "missing", "augmented_examples[a]": "stale"}
    failed = Statuses(automation, bad, {"augmented_examples[a]": ["its check transforms_are_uniform failed: p = 0"]})
    skipped = automation.next_training(failed, instance, ["a"])
    assert skipped.skip_message == "a: augmented_examples[a]: its check transforms_are_uniform failed: p = 0"
    behind = Statuses(automation, {"checkpoint[a]": "missing", "tasks[mirror]": "stale"}, {}, [("tasks", "mirror")])
    skipped = automation.next_training(behind, instance, ["a"])
    assert skipped.skip_message == "a: tasks[mirror] is stale, materialize it first"


def test_the_order_is_the_file_s_or_alphabetical(automation, tmp_path: Path) -> None:
    path = tmp_path / "training_queue.yaml"
    assert automation.read_queue(path) == ["a", "b", "c"]
    path.write_text("- c\n- a\n")
    assert automation.read_queue(path) == ["c", "a"]
    path.write_text("- d\n")
    with pytest.raises(Exception, match=r"training_queue.yaml.*no such experiment"):
        automation.read_queue(path)
    path.write_text("a: 1\n")
    with pytest.raises(Exception, match="must be a list of experiments"):
        automation.read_queue(path)


def test_a_project_s_own_statuses(automation, project: SimpleNamespace) -> None:
    session = project.load()
    automation = importlib.import_module("arc_pipeline.defs.automation")

    def decide():
        return automation.next_training(session.scanner(), session.instance, automation.read_queue(project.data / "no"))

    assert "a: tasks[mirror] is missing, materialize it first" in decide().skip_message
    session.refresh(["tasks"])
    request = decide()
    assert request.partition_key == "a"
    assert {key.to_user_string() for key in request.asset_selection} == set(STAGES)


def test_it_is_off_by_default_and_comes_in_the_evening(project: SimpleNamespace) -> None:
    schedule = project.load().definitions.resolve_schedule_def("training_queue_schedule")
    assert schedule.cron_schedule == "0 20 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
