"""Real training examples drawn on the fly, as the pipeline would draw them. Knows no Dagster and writes nothing."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA
from arc_pipeline.arc.augmentation.test_time import draw_training
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.weights.tokenization import measured_by

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def first_recipes(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], tokenizer: "PreTrainedTokenizerBase", n_examples: int
) -> pa.Table:
    """The recipes of the training's first examples: they have the lengths of all, for each is drawn alike.

    Where each task is trained on alone, examples of all tasks are drawn together, for the same reason.
    """
    if experiment.test_time == "task":
        experiment = experiment.model_copy(update={"test_time": "dataset"})
    measure = measured_by(tokenizer, parse_encoder(experiment.grid_encoder))
    accepted = (row for fits, row in draw_training(experiment, tasks, measure) if fits)
    return pa.Table.from_pylist(list(islice(accepted, n_examples)), schema=RECIPE_SCHEMA)
