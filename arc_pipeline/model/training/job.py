"""The job of the training program, as a file: what to train, on which tables, from which weights. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from arc_pipeline.arc.augmentation.test_time import training_tasks
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.tasks.task_table import read_tasks
from arc_pipeline.model.weights.checkpoint import TASK_ADAPTERS
from arc_pipeline.store.tables import read_table

# the key of the message by which the training program says that it refuses its job, so that none tries again
REFUSAL = "refusal"


class TrainingJob(BaseModel):
    """`start` names the starting weights; paths are artefacts' directories; `work` keeps states to resume from.

    `tracking` is where TensorBoard and wandb write, if `report_to` names them; it outlives the training.
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

    def has_begun(self) -> bool:
        """Whether the work directory holds something to resume from."""
        return any(self.work.glob("checkpoint-*")) or (self.work / TASK_ADAPTERS).is_dir()


def _read_tasks(paths: Mapping[str, Path]) -> dict[str, list[Task]]:
    return {name: read_tasks(path) for name, path in paths.items()}
