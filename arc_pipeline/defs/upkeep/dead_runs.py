"""Runs whose process is gone, or was told to end. Knows nothing of what a run makes."""

import socket

import dagster as dg
from dagster import DagsterInstance

from arc_pipeline.defs.run_process import process_name, process_of

FAILURE_REASON_TAG = "dagster/failure_reason"


def dead_runs(instance: DagsterInstance) -> list[dg.DagsterRun]:
    """The runs whose process was killed on this machine with all that would notice: Dagster would wait on."""
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    return [run for run in instance.get_runs(filters=unfinished) if _is_gone(_process_of(instance, run))]


def end_dead_runs(instance: DagsterInstance) -> None:
    """Ends them."""
    for run in dead_runs(instance):
        instance.report_run_failed(run, "the process of this run was killed")


def is_interrupted(instance: DagsterInstance, run_id: str) -> bool:
    """Whether a run ended since its process was told to, as by Ctrl-C."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.get(FAILURE_REASON_TAG) == "UNEXPECTED_TERMINATION"


def _is_gone(name: str) -> bool:
    """Whether it names a process of this machine that is there no more; that of another one nobody here can see."""
    host, _, rest = name.partition("/")
    number = rest.partition("/")[0]
    # by its beginning: the names that older versions of this program gave end after the number
    return host == socket.gethostname() and not f"{process_name(int(number))}/".startswith(f"{name}/")


def _process_of(instance: DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run says of its process; a retry has the tag of the run before it until its first step begins."""
    before = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    process = process_of(run)
    return "" if before and process_of(before) == process else process
