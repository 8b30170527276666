"""Test-time training of an adapter for each task, one after another. Knows nothing of how one training goes.

A finished adapter is kept with its log in the work directory, so an interrupted training resumes with the next task.
All start from the same weights, so the order of the tasks and interruptions change none.
"""

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.recipes import recipes_by_task
from arc_pipeline.model.training.callbacks import Progress
from arc_pipeline.model.training.dataset import ExampleDataset, Tasks
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.states import MANIFEST, problem, seal, whole_or_nothing
from arc_pipeline.model.training.trainer import train
from arc_pipeline.model.weights.checkpoint import TASK_ADAPTERS, TRAINING_LOG, read_log, task_adapter, write_log
from arc_pipeline.model.weights.loading import with_adapter

UNFINISHED = "unfinished"
AVERAGED = ("loss", "grad_norm", "tokens_per_second")


def train_adapters(
    model: Any, tokenizer: Any, recipes: pa.Table, tasks: Tasks, job: TrainingJob, report: Progress
) -> list[dict[str, Any]]:
    """Trains the missing adapters, and returns one log for all. `model` keeps its weights."""
    recipes_of = recipes_by_task(recipes)
    missing = [name for name in recipes_of if problem(task_adapter(job.work, *name))]
    started = time.monotonic()
    n_tasks = sum(map(len, tasks.values()))
    report({"message": f"{len(recipes_of)} of {n_tasks} tasks have demonstrations to train on, {len(missing)} to go"})
    for number, name in enumerate(missing, 1):
        examples = ExampleDataset(recipes_of[name], tasks, job.experiment, tokenizer)
        log = _train_one(model, tokenizer, examples, job, name, report)
        losses = [row["loss"] for row in log if "loss" in row]
        left = (time.monotonic() - started) / number * (len(missing) - number)
        done = {"number": len(recipes_of) - len(missing) + number, "of": len(recipes_of), "seconds_left": left}
        report({"adapter": "/".join(name), "first_loss": losses[0], "loss": losses[-1], **done})
    return mean_log([read_log(task_adapter(job.work, *name)).to_pylist() for name in recipes_of])


def _train_one(
    model: Any, tokenizer: Any, examples: ExampleDataset, job: TrainingJob, name: tuple[str, str], report: Progress
) -> list[dict[str, Any]]:
    """One adapter, saved with its log, whole or not at all."""
    adapted = with_adapter(model, job.experiment.tuning, job.experiment.seed)
    directory, unfinished = task_adapter(job.work, *name), task_adapter(job.work / UNFINISHED, *name)
    try:
        log = train(adapted, tokenizer, examples, job.experiment, unfinished / "states", _only_messages(report))
        with whole_or_nothing(unfinished):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            adapted.save_pretrained(str(unfinished))
            write_log(log, unfinished)
            seal(unfinished)
            shutil.rmtree(directory, ignore_errors=True)
            directory.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unfinished, directory)
    finally:
        adapted.unload()
    return log


def _only_messages(report: Progress) -> Progress:
    """Leaves out the single steps of many short trainings."""
    return lambda row: report(row) if "message" in row else None


def mean_log(logs: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One log of many trainings: the means over them at each logged step, and the sum of their seconds."""
    at_step: dict[int, list[Mapping[str, Any]]] = {}
    for row in chain.from_iterable(logs):
        at_step.setdefault(row["step"], []).append(row)
    return [
        {**rows[0], **{name: fmean(row[name] for row in rows) for name in AVERAGED}}
        | {"seconds": sum(row["seconds"] for row in rows), "seconds_left": 0.0}
        for _, rows in sorted(at_step.items())
    ]


def deliver_adapters(work: Path, output: Path) -> None:
    """Copies the finished adapters into the checkpoint."""
    left_out = shutil.ignore_patterns(TRAINING_LOG, MANIFEST, "README.md")
    shutil.copytree(work / TASK_ADAPTERS, output / TASK_ADAPTERS, ignore=left_out)
