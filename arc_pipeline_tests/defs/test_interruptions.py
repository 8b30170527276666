"""The real training program under Dagster: interrupted in every way it ends, and what is started again goes on.

One process runs the code location's runs (see test_launcher), so a SIGKILLed run worker is a SIGKILLed step worker.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from arc_pipeline.defs.assets import training
from arc_pipeline.model.training.states import seal, state_path

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.drill
SAVE_STEPS = 20
LONG = {"max_steps": 2000, "batch_size": 1, "save_steps": SAVE_STEPS, "logging_steps": 1}
# two schedules made alike that tick together: what the first launches, the second must see
EVERY_MINUTE = """
import dagster as dg
from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.upkeep.queue import training_queue
from arc_pipeline.project import Project

@dg.definitions
def all_of_it():
    project = Project.current()
    built = build_definitions(project)
    job = next(job for job in built.jobs if job.name == "training_job")
    schedules = [training_queue(project, built, job, name, "* * * * *") for name in ("first", "second")]
    return dg.Definitions.merge(built, dg.Definitions(schedules=schedules))
"""


@pytest.fixture
def watched(project: SimpleNamespace, eventually, processes_of) -> SimpleNamespace:
    """The project, and what can be seen of its trainings from outside."""

    def steps(run_id: str, restarted: bool = False) -> list[int]:
        with dg.DagsterInstance.get() as instance:
            entries = instance.all_logs(run_id)
        if restarted:
            entries = list(dropwhile(lambda entry: not is_restart(entry), entries))
        messages = [entry.user_message or "" for entry in entries]
        return [int(found[1]) for text in messages if (found := re.search(r"step (\d+)/\d+, loss", text))]

    def trainings() -> list[dg.DagsterRun]:
        with dg.DagsterInstance.get() as instance:
            runs = instance.get_runs(ascending=True)
        return [run for run in runs if dg.AssetKey("checkpoint") in (run.asset_selection or ())]

    project.processes = lambda: processes_of(project.data / "store" / "training")
    project.steps, project.trainings = steps, trainings
    project.ended = lambda: eventually(lambda: not project.processes(), 30)
    # one state is saved as a whole once the program has gone on after it
    project.saved = lambda run: eventually(lambda: max(steps(run), default=0) > SAVE_STEPS + 1)
    return project


def environment() -> dict[str, str]:
    """This checkout for processes of their own."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen]:
    """A program of this environment, killed at the end if it still runs."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=environment(), stdout=output, stderr=output, cwd=log.parent
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def command_line(project: SimpleNamespace, *arguments: str):
    """`arc-pipeline ARGUMENTS`, under way."""
    program = "from arc_pipeline.cli.app import main; main()"
    (project.data / "command.py").write_text(program)
    return running("command", *arguments, log=project.data / "command.log")


def test_ctrl_c_ends_the_training_and_the_next_refresh_goes_on(watched: SimpleNamespace, eventually) -> None:
    watched.write("one", **LONG | {"max_steps": 60})
    watched.write("two", **LONG)
    watched.load()
    with command_line(watched, "refresh", "--yes", "--select", "checkpoint") as process:
        run = eventually(watched.trainings)[0].run_id
        watched.saved(run)
        process.send_signal(signal.SIGINT)
        watched.ended()
        eventually(lambda: process.poll() is not None)
    assert [run.status.value for run in watched.trainings()] == ["FAILURE"]  # what was planned after it was not begun
    outcome = watched.load().refresh(["checkpoint[one]"])[-1]
    assert not outcome.failed
    assert min(watched.steps(outcome.run_id)) > SAVE_STEPS


def test_the_queue_a_killed_launcher_a_killed_worker_and_a_cancel(watched: SimpleNamespace, eventually) -> None:
    watched.write("one", **LONG)
    watched.write("two", **LONG)
    watched.load().refresh(["tasks"])
    (watched.data / "training_queue.yaml").write_text("- two\n- one\n")
    location = watched.data / "every_minute.py"
    location.write_text(EVERY_MINUTE)
    for name in ("first", "second"):
        start = [sys.executable, "-m", "dagster", "schedule", "start", name, "-f", str(location)]
        subprocess.run(start, env=environment(), check=True, capture_output=True, cwd=watched.data)
    with running("dagster._daemon", "run", "-f", str(location), log=watched.data / "daemon.log"):
        run = eventually(watched.trainings, 180)[0]
        assert run.tags["dagster/partition"] == "two"
        reasons = eventually(lambda: [reason for reason in skips() if reason.startswith("a training")])
        assert re.match(r"a training \(two\) is \w+ in run", reasons[0])

        watched.saved(run.run_id)
        os.kill(launcher(watched.processes()), signal.SIGKILL)
        assert eventually(lambda: watched.steps(run.run_id, restarted=True))[0] > SAVE_STEPS

        os.kill(worker_of(run.run_id), signal.SIGKILL)
        watched.ended()
        again = eventually(lambda: watched.trainings()[1:])[0]
        assert again.parent_run_id == run.run_id
        eventually(lambda: watched.steps(again.run_id))
        assert min(watched.steps(again.run_id)) > SAVE_STEPS

        with dg.DagsterInstance.get() as instance:  # as the UI does
            assert instance.run_launcher.terminate(again.run_id)
            watched.ended()
            eventually(lambda: instance.get_run_by_id(again.run_id).status == dg.DagsterRunStatus.CANCELED)
        assert [run.status.value for run in watched.trainings()[:2]] == ["FAILURE", "CANCELED"]
    states = [path for path in (watched.data / "store" / "training" / "two").glob("*/*") if path.is_dir()]
    assert states


def launcher(processes: set[int]) -> int:
    """The one among them that is accelerate's."""
    commands = {process: Path(f"/proc/{process}/cmdline").read_bytes() for process in processes}
    return next(process for process, command in commands.items() if b"accelerate" in command)


def is_restart(entry: dg.EventLogEntry) -> bool:
    """Whether the step is tried again from here on."""
    return bool(entry.dagster_event) and entry.dagster_event.event_type == dg.DagsterEventType.STEP_RESTARTED


def skips() -> list[str]:
    """The reasons of all skipped ticks."""
    with dg.DagsterInstance.get() as instance:
        states = instance.all_instigator_state()
        ticks = [tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)]
    return [tick.skip_reason for tick in ticks if tick.skip_reason]


def worker_of(run_id: str) -> int:
    """The process of a run's worker, from what it said of itself."""
    with dg.DagsterInstance.get() as instance:
        messages = "\n".join(entry.message for entry in instance.all_logs(run_id))
    return int(re.search(r"Started process for run \(pid: (\d+)\)", messages)[1])


def test_a_finished_checkpoint_is_kept_and_a_crashed_program_tried_again(
    watched: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write("one")
    session = watched.load()
    commands = [["false"]]
    real = training.accelerate_command
    monkeypatch.setattr(training, "accelerate_command", lambda *args: commands.pop() if commands else real(*args))
    outcomes = session.refresh(["checkpoint"])
    assert not [outcome.failed for outcome in outcomes if outcome.failed]
    assert [is_restart(entry) for entry in session.instance.all_logs(outcomes[-1].run_id)].count(True) == 1

    first = materialized(session)
    assert not first["reused"]
    assert first["loss"] > 0
    assert first["training_seconds"] > 0
    for retrain in (False, True):
        config = {"ops": {"checkpoint": {"config": {"retrain": retrain}}}}
        job = session.job
        job.execute_in_process(
            instance=session.instance,
            partition_key="one",
            asset_selection=[dg.AssetKey("checkpoint")],
            run_config=config,
        )
        assert materialized(session)["reused"] is (not retrain)
        assert materialized(session)["loss"] > 0


@pytest.mark.parametrize(
    ("saved", "ends"),
    [([20, 40, 40, 60, 80, 100], "SUCCESS"), ([20, 40, 40, 40, 40], "FAILURE")],
    ids=["each resumed well", "one place crashes again and again"],
)
def test_only_crashes_without_progress_count(
    saved: list[int], ends: str, faked: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    faked.write("one")
    session = faked.load()
    train, left = training.run_group, list(saved)

    def crashing(context: dg.AssetExecutionContext, command: list[str], log: Path, *others: object) -> None:
        if not left:
            return train(context, command, log, *others)
        state = state_path(log.parent, left.pop(0))
        state.mkdir(exist_ok=True)
        seal(state)
        raise training.ProgramCrashed("the machine hiccuped")

    monkeypatch.setattr(training, "run_group", crashing)
    monkeypatch.setattr(training, "RETRY_AFTER_SECONDS", 0)
    run_id = session.refresh(["checkpoint"])[-1].run_id
    assert session.instance.get_run_by_id(run_id).status.value == ends
    assert left == []


def materialized(session) -> dict[str, object]:
    """The metadata of the checkpoint's latest materialization, as plain values."""
    event = session.instance.get_latest_materialization_event(dg.AssetKey("checkpoint"))
    metadata = {key: value.value for key, value in event.asset_materialization.metadata.items()}
    return {"reused": False, **metadata}
