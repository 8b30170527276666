"""The process of a run, which a tag names. Knows neither what a run makes nor when it is ended."""

import os
import socket
from pathlib import Path

import psutil
from dagster import DagsterInstance, DagsterRun

# hidden in the UI, as are all tags that begin so; runs of before have the other
PROCESS_TAG, FORMER_PROCESS_TAG = ".dagster/arc_pipeline/process", "arc_pipeline/process"
BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


def process_name(process: int | None = None) -> str:
    """A process of this machine among all machines that share the instance, and among all that had its number before.

    This one unless another is given. Empty if that is gone.
    """
    try:
        alive = psutil.Process(process)
        if alive.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:  # a zombie, whose parent may never remove it
            return ""
        # since the machine was started, in clock ticks: the clock may be set meanwhile
        started = round((alive.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    except psutil.NoSuchProcess:
        return ""
    boot = BOOT_FILE.read_text().strip() if BOOT_FILE.exists() else ""
    return f"{socket.gethostname()}/{alive.pid}/{boot}/{started}"


def process_of(run: DagsterRun) -> str:
    """The process that a run's tags name, empty if they name none."""
    return run.tags.get(PROCESS_TAG) or run.tags.get(FORMER_PROCESS_TAG, "")


def tag_with_process(instance: DagsterInstance, run_id: str) -> None:
    """Says of a run that it is in this process. Each step does so: only the command line can before its run begins."""
    run, name = instance.get_run_by_id(run_id), process_name()
    if run and process_of(run) != name:
        instance.add_run_tags(run_id, {PROCESS_TAG: name})
