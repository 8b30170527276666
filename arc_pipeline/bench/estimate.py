"""What the whole training of an experiment will cost here: starts the measuring program and reads its result."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arc_pipeline.arc.augmentation.test_time import n_trainings
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.bench.arithmetic import count_training
from arc_pipeline.bench.measure import OUT_OF_MEMORY
from arc_pipeline.errors import ArcPipelineError, MissingWeights
from arc_pipeline.machine.memory import available_memory, wait_within
from arc_pipeline.machine.process import process_environment
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.states import KEPT
from arc_pipeline.model.weights.loading import KNOWN_ARCHITECTURES, initial_version
from arc_pipeline.model.weights.tokenization import load_tokenizer, measured_by, tiny_tokenizer
from arc_pipeline.store.tables import write_table

SHARE_OF_MEMORY = 0.97
BYTES_OF_A_NUMBER = 4
BUDGET_SECONDS = 60.0
SHOWN_CHARACTERS = 2000
# a forward pass, of forward and backward
SHARE_OF_A_FORWARD_PASS = 1 / 3


class TrainingDoesNotFit(ArcPipelineError):
    """The memory here does not suffice for a training."""


def estimate_training(
    experiment: Experiment,
    start: str,
    tasks: Mapping[str, Sequence[Task]],
    disk: Path,
    budget: float = BUDGET_SECONDS,
    memory: int | None = None,
) -> dict[str, Any]:
    """Seconds, bytes of memory and bytes on `disk`, for all processes together.

    `tasks` has those of training and of validation. TrainingDoesNotFit if memory does not suffice. Without the weights
    of a model whose architecture is known, all is counted and nothing measured: `measured_steps` is 0.
    """
    memory = int((memory or available_memory()) * SHARE_OF_MEMORY) // experiment.processes
    free, trainings = shutil.disk_usage(disk).free, trainings_of(experiment, start, tasks)
    if has_no_weights_here(start):
        counted = count_training(experiment, start, tasks)
        operations = trainings * experiment.max_steps * counted["operations_per_step"]
        return whole_training(experiment, counted, memory, free, trainings) | {"operations": operations}
    with tempfile.TemporaryDirectory(prefix="arc_pipeline-estimate-") as directory:
        job = write_job(experiment, start, tasks, Path(directory))
        measured = run_measuring(job, Path(directory), budget, memory)
    if measured.get("error") == OUT_OF_MEMORY:
        raise TrainingDoesNotFit(does_not_fit(experiment, measured.get("device_memory_bytes", memory)))
    if "error" in measured:
        raise ArcPipelineError(measured["error"])
    return whole_training(experiment, measured, memory, free, trainings)


def trainings_of(experiment: Experiment, start: str, tasks: Mapping[str, Sequence[Task]]) -> int:
    """How many trainings of `max_steps` the experiment is."""
    if experiment.test_time != "task":
        return 1
    tokenizer = tiny_tokenizer() if has_no_weights_here(start) else load_tokenizer(start, experiment)
    return n_trainings(experiment, tasks, measured_by(tokenizer, parse_encoder(experiment.grid_encoder)))


def has_no_weights_here(start: str) -> bool:
    """Whether the starting weights are not here, but what they cost can be counted."""
    try:
        initial_version(start, 0)
    except MissingWeights:
        return start in KNOWN_ARCHITECTURES
    return False


def write_job(experiment: Experiment, start: str, tasks: Mapping[str, Sequence[Task]], directory: Path) -> TrainingJob:
    """The job of the training, with the tasks in files."""
    for name, of_dataset in tasks.items():
        (directory / name).mkdir()
        write_table(tasks_table(of_dataset), directory / name, "tasks")
    paths = {name: directory / name for name in tasks}
    return TrainingJob(
        experiment=experiment,
        start=start,
        examples=directory,
        tasks={name: paths[name] for name in experiment.datasets()["train"]},
        validation_tasks={name: paths[name] for name in experiment.datasets()["validation"]},
        work=directory / "work",
        output=directory,
    )


def run_measuring(job: TrainingJob, directory: Path, budget: float, memory: int) -> dict[str, Any]:
    """The result of the measuring program; its output is shown only if it fails."""
    job_file, result, log = directory / "job.json", directory / "result.json", directory / "output.log"
    job_file.write_text(job.model_dump_json())
    command = [sys.executable, "-m", "arc_pipeline.bench.measure", str(job_file), str(result), str(budget)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=os.environ | process_environment(job.experiment.processes),
        )
        try:
            within = wait_within(process, memory)
        finally:
            process.kill()
    if not within or process.returncode == -signal.SIGKILL:
        return {"error": OUT_OF_MEMORY}
    if process.returncode:
        return {"error": f"the measurement failed: {log.read_text(errors='replace')[-SHOWN_CHARACTERS:].strip()}"}
    document: dict[str, Any] = json.loads(result.read_text())
    return document


def does_not_fit(experiment: Experiment, memory: int) -> str:
    """What to say, and what to try."""
    rows = experiment.micro_batch_size or experiment.batch_size // experiment.processes
    smaller = f"micro_batch_size {max(1, rows // 2)} (now {rows}), " if rows > 1 else ""
    checkpointing = "" if experiment.gradient_checkpointing else "gradient_checkpointing: true, "
    lora = "" if experiment.tuning.method == "lora" else "tuning: {method: lora}, "
    return (
        f"the training of {experiment.name} does not fit the memory here ({memory / 1e9:.2f} GB for each process); "
        f"try {smaller}{checkpointing}{lora}a max_seq_len below {experiment.max_seq_len}, or a smaller model"
    )


def shortages(experiment: Experiment, estimate: Mapping[str, Any]) -> list[str]:
    """A sentence for each of memory and disk that the estimate exceeds."""
    memory = does_not_fit(experiment, estimate["memory_available_bytes"] // estimate["processes"])
    needed, free = (estimate[name] / 1e9 for name in ("disk_bytes", "disk_available_bytes"))
    disk = (
        f"the disk has too little room for the training of {experiment.name} ({needed:.2f} GB, {free:.2f} GB are free);"
        " free some (arc-pipeline prune)"
    )
    words = {"memory": memory, "disk": disk}
    return [words[name] for name in words if estimate[f"{name}_bytes"] > estimate[f"{name}_available_bytes"]]


def states_at_once(experiment: Experiment) -> int:
    """The most states that are on the disk together: the newest, with validation the best, the one being written."""
    best = 1 if experiment.validation else 0
    # the last step is saved too, and so is each one whose validation is the best until then
    intervals = [experiment.save_interval, *([experiment.eval_interval] if experiment.validation else [])]
    saved = {experiment.max_steps}.union(*(range(interval, experiment.max_steps, interval) for interval in intervals))
    return min(KEPT + best + 1, len(saved))


def whole_training(
    experiment: Experiment, measured: dict[str, Any], memory: int, free: int, trainings: int = 1
) -> dict[str, Any]:
    """From the measured step to the whole: one training, or one for each task."""
    steps, processes = experiment.max_steps * trainings, experiment.processes
    states = states_at_once(experiment)
    kept = 1 + len(set(experiment.predict.at_steps))
    disk = kept * measured["checkpoint_bytes"] + states * measured["state_bytes"]
    # until the end, adapters of tasks are in the work directory too
    disk += 2 * (trainings - 1) * BYTES_OF_A_NUMBER * measured["trained"]
    tokens = measured["tokens_per_step"] * processes
    return {
        "experiment": experiment.name,
        "steps": steps,
        "seconds": measured["seconds_to_load"]
        + steps * measured["seconds_per_step"]
        + validating(experiment, measured),
        "seconds_per_step": measured["seconds_per_step"],
        "measured_steps": measured["measured_steps"],
        "tokens_per_second": tokens / measured["seconds_per_step"],
        "memory_bytes": measured["memory_bytes"] * processes,
        "memory_available_bytes": measured.get("device_memory_bytes", memory) * processes,
        "disk_bytes": disk,
        "disk_available_bytes": free,
        "checkpoint_bytes": measured["checkpoint_bytes"],
        "states_bytes": states * measured["state_bytes"],
        "longest_example": measured["longest_example"],
        **{name: measured[name] for name in ("parameters", "trained", "device")},
        "processes": processes,
    }


def validating(experiment: Experiment, measured: dict[str, Any]) -> float:
    """Seconds of all measurements of the validation loss."""
    if not experiment.validation:
        return 0.0
    times = math.ceil(experiment.max_steps / experiment.eval_interval)  # once more at the end
    passes = measured["validation_tokens"] / (measured["tokens_per_step"] * experiment.processes)
    return float(times * passes * measured["seconds_per_step"] * SHARE_OF_A_FORWARD_PASS)
