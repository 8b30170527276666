"""The examples and models that are measured: drawn as the pipeline draws them, but nothing is written. No Dagster."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA
from arc_pipeline.arc.augmentation.test_time import draw_training
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.weights.loading import KNOWN_ARCHITECTURES, random_model
from arc_pipeline.model.weights.tokenization import measured_by

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Architecture: TypeAlias = Mapping[str, Any]
# few layers: what is compared are the logits of a real vocabulary
FEW_LAYERS: Architecture = KNOWN_ARCHITECTURES["Qwen/Qwen2-0.5B"] | {"num_hidden_layers": 2}
LONGEST = 1024
DATASET = "arc-agi-1-training"


def first_recipes(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], tokenizer: "PreTrainedTokenizerBase", n_examples: int
) -> pa.Table:
    """The recipes of the training's first examples: all are drawn alike, so these have the lengths of all.

    Where each task is trained on alone, examples of all tasks are drawn together, for the same reason.
    """
    if experiment.test_time == "task":
        experiment = experiment.model_copy(update={"test_time": "dataset"})
    measure = measured_by(tokenizer, parse_encoder(experiment.grid_encoder))
    accepted = (recipe for fits, recipe in draw_training(experiment, tasks, measure) if fits)
    return pa.Table.from_pylist(list(islice(accepted, n_examples)), schema=RECIPE_SCHEMA)


def bench_experiment(supervise: str, batch_size: int) -> Experiment:
    """Real examples of all lengths up to the longest, in float32, so that equal means equal."""
    fields = {"name": "bench", "train": [{"dataset": DATASET}], "supervise": supervise, "max_steps": 1}
    fields |= {"batch_size": batch_size, "max_seq_len": LONGEST, "precision": "fp32"}
    return Experiment.model_validate(fields | {"predict": {"datasets": [DATASET]}})


def first_batch(experiment: Experiment, tasks: Sequence[Task], tokenizer: Any) -> list[dict[str, Any]]:
    """The experiment's first batch."""
    from arc_pipeline.model.training.dataset import ExampleDataset

    by_name = {DATASET: tasks}
    recipes = first_recipes(experiment, by_name, tokenizer, experiment.batch_size)
    examples = ExampleDataset(recipes, by_name, experiment, tokenizer)
    return [examples[index] for index in range(len(examples))]


def bench_model(architecture: Architecture) -> "PreTrainedModel":
    """A model of random weights, the same in every process."""
    layers = {name: value for name, value in architecture.items() if name != "vocab_size"}
    return random_model(layers, architecture["vocab_size"], seed=0)
