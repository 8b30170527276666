"""Runs in real processes that are killed: they are ended, and those that only seem dead are not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from arc_pipeline.defs.run_process import PROCESS_TAG, process_name
from arc_pipeline.defs.upkeep.dead_runs import end_dead_runs

# launches a run as the daemon does, without the command line's tags, and falls asleep in its step
PROGRAM = """
import sys, time
import dagster as dg
from arc_pipeline.store.store import Store
from arc_pipeline.cli.session import open_session
from arc_pipeline.defs.upkeep.session import Session

def sleep(*_):
    print("asleep", flush=True)
    time.sleep(600)

session = open_session()
Store.commit = Session.plan = sleep
if sys.argv[1] == "refresh_job":
    session.definitions.resolve_job_def("refresh_job").execute_in_process(instance=session.instance)
else:
    selection = [dg.AssetKey(sys.argv[1])]
    session.job.execute_in_process(instance=session.instance, partition_key="mirror", asset_selection=selection)
"""


@pytest.mark.drill
@pytest.mark.parametrize("what", ["arc_source", "refresh_job"])
def test_a_run_whose_process_was_killed_is_ended(what: str, project) -> None:
    session = project.load()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", PROGRAM, what]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert "asleep\n" in iter(process.stdout.readline, "")
        end_dead_runs(session.instance)
        assert statuses(session.instance) == ["STARTED"]
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie is dead as well
        session.refresh(["arc_source"])
    assert statuses(session.instance) == ["SUCCESS", "FAILURE"]


def statuses(instance: dg.DagsterInstance) -> list[str]:
    """Of all runs but those that only look, the newest first."""
    return [run.status.value for run in instance.get_runs() if run.job_name != "staleness_job"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_another_process_with_the_number_of_the_dead_one_does_not_keep_its_run(instance) -> None:
    host, number, boot, start = process_name().split("/")
    another_boot, another_start = f"{host}/{number}/of-before/{start}", f"{host}/{number}/{boot}/1"
    # as older versions tagged their runs
    number_alone, gone = f"{host}/{number}", f"{host}/0"
    ended = {name: is_ended(instance, name) for name in (another_boot, another_start, gone, number_alone)}
    assert ended == {another_boot: True, another_start: True, gone: True, number_alone: False}
    assert not is_ended(instance, process_name())
    assert not is_ended(instance, f"another-{host}/0")


def is_ended(instance: dg.DagsterInstance, process: str) -> bool:
    """Whether a run of that process is taken for dead."""
    job = dg.Definitions(jobs=[dg.job(name="j")(lambda: None)]).resolve_job_def("j")
    run = instance.create_run_for_job(job, tags={PROCESS_TAG: process}, status=dg.DagsterRunStatus.STARTED)
    end_dead_runs(instance)
    return instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
