"""The order for one training, as a file: what to train, on which tables, from which weights. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from arc_pipeline.arc.augmentation.test_time import training_tasks
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import read_tasks
from arc_pipeline.store.tables import read_table

# the key of the message by which the training program says that it refuses its job, so that none tries again
REFUSAL = "refusal"


class TrainingJob(BaseModel):
    """`start` names the starting weights; paths are artefacts' directories; `work` keeps states to resume from.

    `tracking` is where TensorBoard and wandb write, if the experiment asks for them; it outlives the training.
    """

    experiment: Experiment
    start: str
    examples: Path
    tasks: dict[str, Path]
    validation_tasks: dict[str, Path] = {}
    work: Path
    output: Path
    tracking: Path | None = None

    def recipes(self) -> pa.Table:
        """The table of recipes."""
        return read_table(self.examples, "augmented_examples")

    def training_tasks(self) -> dict[str, list[Task]]:
        """The tasks by dataset, at test time without their test pairs."""
        return training_tasks(self.experiment, _read_tasks(self.tasks))

    def validated_tasks(self) -> dict[str, list[Task]]:
        """The tasks that validation loss is measured on, by dataset."""
        return _read_tasks(self.validation_tasks)


def _read_tasks(paths: Mapping[str, Path]) -> dict[str, list[Task]]:
    return {name: read_tasks(path) for name, path in paths.items()}


def progress_line(row: dict[str, Any]) -> str:
    """One row of the log for a person."""
    if "message" in row:
        return str(row["message"])
    if "adapter" in row:
        place = f"task {row['number']}/{row['of']}, {row['adapter']}"
        return f"{place}: loss {row['first_loss']:.4f} -> {row['loss']:.4f}, {duration(row['seconds_left'])} left"
    if "step" not in row:
        return ", ".join(f"{value:,} {key}" for key, value in row.items())
    place = f"step {row['step']}/{row['max_steps']}"
    if "loss" not in row:
        return f"{place}, validation loss {row['eval_loss']:.4f}"
    speed = f"{row['tokens_per_second']:,.0f} tokens/s"
    return f"{place}, loss {row['loss']:.4f}, {speed}, {duration(row['seconds_left'])} left"


def duration(seconds: float) -> str:
    """Seconds in a person's words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
