"""Runs a training program under Dagster Pipes in its own process group, and ends the whole group with the step.

Dagster's stock client ends only the process that it started: a launcher's children would train on as orphans.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.process import end_with_parent
from arc_pipeline.model.training.job import REFUSAL

GRACE_SECONDS = {signal.SIGINT: 10.0, signal.SIGTERM: 5.0, signal.SIGKILL: 5.0}
LOOK_EVERY_SECONDS = 0.05
SHOWN_LINES = 25
ACCELERATE_CONFIG = Path(__file__).with_name("accelerate.yaml")


class ProgramCrashed(Exception):
    """The program ended with a failure that another attempt may not have."""


def accelerate_command(module: str, arguments: Sequence[str], processes: int) -> list[str]:
    """The command that starts `processes` ranks of a module on this machine."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={ACCELERATE_CONFIG}"]
    launch += [f"--num_processes={processes}"]
    # what accelerate calls one process a rank, also without a GPU: it would start a single one otherwise
    # port 0 is any free one: two trainings on two accelerators would meet on the usual one
    launch += ["--multi_gpu", "--main_process_port=0"] if processes > 1 else []
    return [*launch, "-m", module, *arguments]


def run_group(
    context: dg.AssetExecutionContext,
    command: Sequence[str],
    log: Path,
    held: Sequence[int],
    environment: Mapping[str, str],
) -> None:
    """Runs the command to its end; its output goes to `log`, its Pipes messages into the run.

    It inherits `held`, the locks on the accelerator. What it refuses is an ArcPipelineError, any other failure
    ProgramCrashed.
    """
    with dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
    ) as session:
        returncode = _run_to_end(command, log, held, {**environment, **session.get_bootstrap_env_vars()})
    if refusals := [message[REFUSAL] for message in session.get_custom_messages() if REFUSAL in message]:
        raise ArcPipelineError("\n".join(refusals))
    if returncode:
        raise ProgramCrashed(f"{_ending(returncode)}; the end of {log}:\n{_tail(log)}")


def _run_to_end(command: Sequence[str], log: Path, held: Sequence[int], environment: Mapping[str, str]) -> int:
    """The exit code of the command, whose whole process group is ended with this step."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
            pass_fds=held,
            preexec_fn=end_with_parent,
        )
        try:
            return process.wait()
        finally:
            end_group(process)


def end_group(*processes: "subprocess.Popen[bytes]") -> None:
    """Ends every process of the group that the first of these leads, with one signal after another."""
    for number, grace in GRACE_SECONDS.items():
        if not _group_lives(*processes):
            return
        os.killpg(processes[0].pid, number)
        deadline = time.monotonic() + grace
        while _group_lives(*processes) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_SECONDS)


def _group_lives(*processes: "subprocess.Popen[bytes]") -> bool:
    for process in processes:
        process.poll()  # one that ended counts as a member until it is waited for
    try:
        os.killpg(processes[0].pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"the training program was ended by {signal.Signals(-returncode).name}"
    return f"the training program failed with exit code {returncode}"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
