"""Runs whose process is gone: a tag on each run names its process. Knows nothing of what a run makes."""

import socket
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

PROCESS_TAG = "arc_pipeline/process"
BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
# the fields of /proc/PID/stat after the name, which may hold anything (man 5 proc)
STATE, START_TIME = 0, 19
ENDED = {"Z", "X"}


def process_name(process: int | str = "self") -> str:
    """A process of this machine among all machines that share the instance, and among all that had its number before.

    Empty if it is gone, or where there is no /proc.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    number, fields = stat.split()[0], stat.rpartition(")")[2].split()
    # a zombie, which nobody may ever reap, is gone
    return "" if fields[STATE] in ENDED else f"{socket.gethostname()}/{number}/{_boot()}/{fields[START_TIME]}"


def _boot() -> str:
    return BOOT_FILE.read_text().strip() if BOOT_FILE.exists() else ""


def tag_with_process(instance: DagsterInstance, run_id: str) -> None:
    """Says of a run that it is in this process. Each step does so: only the command line can before its run begins."""
    run, name = instance.get_run_by_id(run_id), process_name()
    if run and name and run.tags.get(PROCESS_TAG) != name:
        instance.add_run_tags(run_id, {PROCESS_TAG: name})


def end_dead_runs(instance: DagsterInstance) -> None:
    """Ends the runs whose process was killed on this machine with all that would notice: Dagster would wait on."""
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    for run in instance.get_runs(filters=unfinished):
        if _is_gone(_process_of(instance, run)):
            instance.report_run_failed(run, "the process of this run was killed")


def _is_gone(name: str) -> bool:
    """Whether it names a process of this machine that is there no more; that of another one nobody here can see."""
    host, _, rest = name.partition("/")
    # by its beginning: the names that older versions of this program gave end after the number
    return host == socket.gethostname() and not f"{process_name(rest.partition('/')[0])}/".startswith(f"{name}/")


def _process_of(instance: DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run says of its process; a retry has the tag of the run before it until its first step begins."""
    before = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    process = run.tags.get(PROCESS_TAG, "")
    return "" if before and before.tags.get(PROCESS_TAG) == process else process
