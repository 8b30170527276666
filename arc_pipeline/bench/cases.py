"""The models and the batches of real examples that ways of training are compared on."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.weights.known_architectures import SHAPES

Shape: TypeAlias = Mapping[str, Any]
FEW_LAYERS: Shape = SHAPES["Qwen/Qwen2-0.5B"] | {"num_hidden_layers": 2}
LONGEST = 1024
DATASET = "arc-agi-1-training"


def an_experiment(supervise: str, batch_size: int) -> Experiment:
    """Real examples of all lengths up to the longest, in float32, so that equal means equal."""
    fields = {"name": "bench", "train": [{"dataset": DATASET}], "supervise": supervise, "max_steps": 1}
    fields |= {"batch_size": batch_size, "max_seq_len": LONGEST, "precision": "fp32"}
    return Experiment.model_validate(fields | {"predict": {"datasets": [DATASET]}})


def batch_of(experiment: Experiment, tasks: Sequence[Task], tokenizer: Any) -> list[dict[str, Any]]:
    """The experiment's first batch."""
    from arc_pipeline.bench.examples import first_recipes
    from arc_pipeline.model.training.dataset import ExampleDataset

    by_name = {DATASET: tasks}
    recipes = first_recipes(experiment, by_name, tokenizer, experiment.batch_size)
    examples = ExampleDataset(recipes, by_name, experiment, tokenizer)
    return [examples[index] for index in range(len(examples))]


def random_model(shape: Shape) -> Any:
    """A model of random weights, the same in every process."""
    from arc_pipeline.model.weights import loading

    layers = {name: value for name, value in shape.items() if name != "vocab_size"}
    return loading.random_model(layers, shape["vocab_size"], seed=0)
