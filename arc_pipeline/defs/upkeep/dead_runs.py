"""Runs whose process is gone: a tag on each run names its process. Knows nothing of what a run makes."""

import os
import socket
from pathlib import Path

import dagster as dg
import psutil
from dagster import DagsterInstance

PROCESS_TAG = "arc_pipeline/process"
FAILURE_REASON_TAG = "dagster/failure_reason"
BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


def process_name(process: int | None = None) -> str:
    """A process of this machine among all machines that share the instance, and among all that had its number before.

    This one unless another is given. Empty if that is gone.
    """
    try:
        alive = psutil.Process(process)
        if alive.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:  # its parent may never remove it
            return ""
        # since the machine was started, in clock ticks: the clock may be set meanwhile
        started = round((alive.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    except psutil.NoSuchProcess:
        return ""
    boot = BOOT_FILE.read_text().strip() if BOOT_FILE.exists() else ""
    return f"{socket.gethostname()}/{alive.pid}/{boot}/{started}"


def tag_with_process(instance: DagsterInstance, run_id: str) -> None:
    """Says of a run that it is in this process. Each step does so: only the command line can before its run begins."""
    run, name = instance.get_run_by_id(run_id), process_name()
    if run and run.tags.get(PROCESS_TAG) != name:
        instance.add_run_tags(run_id, {PROCESS_TAG: name})


def end_dead_runs(instance: DagsterInstance) -> None:
    """Ends the runs whose process was killed on this machine with all that would notice: Dagster would wait on."""
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    for run in instance.get_runs(filters=unfinished):
        if _is_gone(_process_of(instance, run)):
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
    process = run.tags.get(PROCESS_TAG, "")
    return "" if before and before.tags.get(PROCESS_TAG) == process else process
