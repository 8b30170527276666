"""A training as a Slurm job under Dagster Pipes. A step that is cancelled cancels the job; one whose process was killed
leaves it, and the next step of the same training takes it over instead of submitting a second one."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.defs.launcher import ProgramCrashed, accelerate_command
from arc_pipeline.defs.machines.settings import SlurmMachine
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.job import REFUSAL
from arc_pipeline.model.training.on_node import EXPECTED, SAVED_AND_ENDED, WHERE
from arc_pipeline.store.environment import environment

PROGRAM = "arc_pipeline.model.training.on_node"
EXIT_CODE, SCRIPT = "slurm-exit-code", "slurm.sh"
LOOK_EVERY_SECONDS, ANSWER_WITHIN_SECONDS = 1.0, 30
# a controller that restarts is no reason to give up a job of hours; a shared file may be seen late
UNREACHABLE_SECONDS, LAST_WORD_SECONDS = 1800.0, 15.0
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", ""}
SHOWN_LINES = 25


class Unreachable(ArcPipelineError):
    """Slurm does not answer."""


def slurm(*command: str) -> str:
    """What a command of Slurm prints; Unreachable if there is no answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_WITHIN_SECONDS)
    except FileNotFoundError as error:
        raise Unreachable(f"{command[0]} is not installed here; install the commands of Slurm") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"Slurm did not answer {command[0]} within {ANSWER_WITHIN_SECONDS} s") from error
    if done.returncode:
        raise Unreachable(f"{shlex.join(command)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def answer(machine: SlurmMachine) -> str:
    """The partitions, nodes and states that Slurm names for a machine; Unreachable if it does not answer."""
    chosen = [f"--partition={machine.partition}"] if machine.partition else []
    found = slurm("sinfo", "--noheader", "--format=%P %D %T", *chosen)
    if not found:
        raise Unreachable(f"Slurm has no partition {machine.partition or 'at all'}")
    return "; ".join(found.splitlines())


def job_name(work: Path) -> str:
    """The name of the one job of a training: its work directory is named by its experiment, inputs and code."""
    return f"arc-{work.parent.name}-{work.name}"


def live_job(name: str) -> str:
    """The id of the job of this user that has this name and is not over, empty if there is none."""
    listed = slurm("squeue", "--noheader", "--me", f"--name={name}", "--format=%i %T").splitlines()
    return next((job for job, state in map(str.split, listed) if state not in ENDED), "")


def state_of(job: str) -> str:
    """The state of a job, empty if Slurm has forgotten it."""
    try:
        return slurm("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T")
    except Unreachable as error:
        if "Invalid job id" in str(error):
            return ""
        raise


def cancel(job: str) -> None:
    """Ends a job at once, queued or running."""
    try:
        slurm("scancel", "--signal=KILL", "--full", job)
    finally:
        slurm("scancel", job)


def train_on_slurm(
    context: dg.AssetExecutionContext,
    machine: SlurmMachine,
    job_file: Path,
    processes: int,
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """Trains what a job file describes, to the end of the job; returns the environment that it ran in.

    ArcPipelineError for what the program refuses and where nothing could be submitted, else ProgramCrashed.
    """
    work = job_file.parent
    name, exit_code = job_name(work), work / EXIT_CODE
    with dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesFileContextInjector(str(work / "pipes-context.json")),
        message_reader=dg.PipesFileMessageReader(str(work / "pipes-messages")),
    ) as session:
        job = live_job(name)
        if job:
            context.log.info(f"Slurm job {job} of this training is there already; it is followed")
        elif _read(exit_code) != "0":
            exit_code.unlink(missing_ok=True)
            variables = {**settings, **machine.environment, **session.get_bootstrap_env_vars()}
            job = submit(machine, job_file, name, processes, variables)
            context.log.info(f"submitted as Slurm job {job}; its output goes to {work / 'output.log'}")
        if job:
            try:
                _follow(context, job, exit_code)
            except Unreachable:
                raise
            except BaseException:  # a person's cancel, above all
                if not exit_code.exists():
                    cancel(job)
                raise
    if refusals := [message[REFUSAL] for message in session.get_custom_messages() if REFUSAL in message]:
        raise ArcPipelineError("\n".join(refusals))
    if code := _read(exit_code):
        if code != "0":
            raise ProgramCrashed(f"Slurm job {job} failed with exit code {code}; the end of its output:\n{_tail(work)}")
        return dict(json.loads((work / WHERE).read_text()))
    raise ProgramCrashed(f"Slurm job {job} ended without a word; the end of its output:\n{_tail(work)}")


def submit(machine: SlurmMachine, job_file: Path, name: str, processes: int, variables: Mapping[str, str]) -> str:
    """Submits the batch script of a training; the id of the job."""
    script = job_file.parent / SCRIPT
    script.write_text(batch_script(machine, job_file, name, processes, variables))
    return slurm("sbatch", "--parsable", str(script)).partition(";")[0]


def batch_script(machine: SlurmMachine, job_file: Path, name: str, processes: int, variables: Mapping[str, str]) -> str:
    """One step, which has the signals of Slurm; a training that saved a state and ended is queued again."""
    work = job_file.parent
    given = {
        "partition": machine.partition,
        "account": machine.account,
        "gpus": machine.gpus or None,
        "mem": machine.memory,
        "time": machine.time,
        "signal": f"TERM@{machine.warning_seconds}" if machine.time else None,
    }
    options = [f"--{option}={value}" for option, value in given.items() if value is not None]
    options += [f"--job-name={name}", "--nodes=1", "--ntasks=1", f"--cpus-per-task={machine.cpus}", "--requeue"]
    options += ["--open-mode=append", f"--output={work / 'output.log'}", f"--chdir={work}", *machine.options]
    all_variables = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        **variables,
        EXPECTED: json.dumps({key: environment()[key] for key in ("packages", "git_commit")}),
    }
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options),
        *(f"export {key}={shlex.quote(value)}" for key, value in all_variables.items()),
        f"srun --cpus-per-task={machine.cpus} {shlex.join(_command(machine, job_file, processes))}",
        "code=$?",
        f'if [ "$code" = {SAVED_AND_ENDED} ]; then scontrol requeue "$SLURM_JOB_ID"; exit 0; fi',
        f'echo "$code" > {EXIT_CODE}.new && mv {EXIT_CODE}.new {EXIT_CODE}',
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"


def _command(machine: SlurmMachine, job_file: Path, processes: int) -> Sequence[str]:
    """One rank needs no launcher, which would end it at the first signal."""
    python = machine.python or sys.executable
    if processes == 1:
        return [python, "-m", PROGRAM, str(job_file)]
    return [python, *accelerate_command(PROGRAM, [str(job_file)], processes)[1:]]


def _follow(context: dg.AssetExecutionContext, job: str, exit_code: Path) -> None:
    """Returns once the job is over, and says each change of its state."""
    last, answered, over = "", time.monotonic(), 0.0
    while not exit_code.exists():
        try:
            state, answered = state_of(job), time.monotonic()
        except Unreachable as error:
            if time.monotonic() - answered > UNREACHABLE_SECONDS:
                raise Unreachable(f"{error}; job {job} was left as it is, run this again to follow it") from error
            state = "not known: Slurm does not answer"
        if state != last:
            context.log.info(f"Slurm job {job}: {state.lower() or 'forgotten'}")
            last = state
        over = (over or time.monotonic()) if state in ENDED else 0.0
        if over and time.monotonic() - over > LAST_WORD_SECONDS:
            return
        time.sleep(LOOK_EVERY_SECONDS)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _tail(work: Path) -> str:
    return "\n".join(_read(work / "output.log").splitlines()[-SHOWN_LINES:])
