"""What a training costs where its weights are not here: operations and bytes are counted, none of it is run.

Only the speed of this machine is measured, on a matrix product. Tokens are those of the tiny model, which has one for
each character of a grid as Qwen2's tokenizer has.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench.examples import first_recipes

DRAWN_EXAMPLES = 512
# of the speed of a large matrix product; trainings of such models reach 30 to 50 %
UTILIZATION = 0.4
MATRIX, MEASURED_SECONDS = 2048, 1.0
# bytes that a forward pass keeps for the backward one, for each element of a layer's input and of its inner width
KEPT_OF_HIDDEN, KEPT_OF_INNER = 16, 8
LOGIT_BYTES = 12


def count_training(experiment: Experiment, start: str, tasks: Mapping[str, Sequence[Task]]) -> dict[str, Any]:
    """The same as `measure.measure_training` finds from real steps."""
    from arc_pipeline.model.training.dataset import validation_examples
    from arc_pipeline.model.weights.loading import hollow_model, with_adapter
    from arc_pipeline.model.weights.tokenization import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    model: Any = hollow_model(start, len(tokenizer) if experiment.vocabulary == "used" else None)
    config = model.config
    if experiment.tuning.method == "lora":
        model = with_adapter(model, experiment.tuning, experiment.seed)
    examples = drawn_examples(experiment, tasks, tokenizer)
    rows = experiment.batch_size // experiment.processes
    sizes = checkpoint_sizes(model)
    operations = rows * sum(operations_of(example, sizes, config) for example in examples) / len(examples)
    validation = validation_examples(experiment, tasks, tokenizer)
    device, speed = measured_speed(experiment.precision)
    return {
        "seconds_to_load": 0.0,
        "seconds_per_step": operations / (UTILIZATION * speed),
        "measured_steps": 0,
        "operations_per_step": operations * experiment.processes,
        "tokens_per_step": rows * sum(length for length, _ in examples) / len(examples),
        "validation_tokens": sum(len(example["input_ids"]) for example in validation),
        "longest_example": max(length for length, _ in examples),
        **sizes,
        "device": device,
        "memory_bytes": memory_of(experiment, examples, sizes, config),
        **device_memory(),
    }


def drawn_examples(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], tokenizer: Any
) -> list[tuple[int, int]]:
    """(tokens, supervised tokens) of the training's first examples."""
    from arc_pipeline.model.training.batching import IGNORED
    from arc_pipeline.model.training.dataset import ExampleDataset

    n_examples = min(DRAWN_EXAMPLES, experiment.n_examples)
    examples = ExampleDataset(first_recipes(experiment, tasks, tokenizer, n_examples), tasks, experiment, tokenizer)
    labels_of_each = (examples[index]["labels"] for index in range(n_examples))
    return [(len(labels), sum(label != IGNORED for label in labels)) for labels in labels_of_each]


def operations_of(example: tuple[int, int], sizes: Mapping[str, int], config: Any) -> float:
    """Of one forward and backward pass: two for each weight and token forward, as many again for each gradient.

    An adapter's training needs no gradients of the weights that it leaves alone.
    """
    length, supervised = example
    head = config.vocab_size * config.hidden_size
    layers = 2 * (sizes["parameters"] - head * (1 if config.tie_word_embeddings else 2)) * length
    attention = 2 * config.num_hidden_layers * config.hidden_size * length**2
    backward = 2 if sizes["trained"] == sizes["parameters"] else 1
    return (1 + backward) * (layers + attention + 2 * head * supervised)


def memory_of(
    experiment: Experiment, examples: Sequence[tuple[int, int]], sizes: Mapping[str, int], config: Any
) -> int:
    """Weights, gradients, AdamW's two moments, and what one micro-batch of the longest example keeps; about."""
    from arc_pipeline.model.training.head_loss import LOGITS_AT_ONCE

    rows = experiment.micro_batch_size or experiment.batch_size // experiment.processes
    length, supervised = max(examples)
    layers = 1 if experiment.gradient_checkpointing else config.num_hidden_layers
    kept = layers * (KEPT_OF_HIDDEN * config.hidden_size + KEPT_OF_INNER * config.intermediate_size) * length
    logits = LOGIT_BYTES * min(config.vocab_size * supervised * rows, LOGITS_AT_ONCE)
    return int(4 * sizes["parameters"] + 12 * sizes["trained"] + rows * kept + logits)


def measured_speed(precision: str) -> tuple[str, float]:
    """(name of the device, operations a second) of a matrix product in the training's precision."""
    import torch

    from arc_pipeline.model.training.trainer import use_bf16

    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.ones(MATRIX, MATRIX, device=device, dtype=torch.bfloat16 if use_bf16(precision) else torch.float32)
    rounds, seconds = 0, 0.0
    while seconds < MEASURED_SECONDS:
        begin = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        rounds, seconds = rounds + 1, seconds + time.perf_counter() - begin
    return torch.cuda.get_device_name() if device == "cuda" else device, 2 * MATRIX**3 * rounds / seconds


def checkpoint_sizes(model: Any) -> dict[str, int]:
    """Bytes of a checkpoint and of a state to resume from: weights, and for those that train AdamW's two moments."""
    from arc_pipeline.model.weights.checkpoint import parameter_count

    total, trained = parameter_count(model)
    adapter = 4 * trained if hasattr(model, "merge_and_unload") else 0
    weights = 4 * (total - (trained if adapter else 0))
    return {
        "parameters": total,
        "trained": trained,
        "checkpoint_bytes": weights + adapter,
        "state_bytes": (adapter or weights) + 8 * trained,
    }


def device_memory() -> dict[str, int]:
    """All memory of the GPU; nothing where there is none, for then it is this machine's."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {"device_memory_bytes": torch.cuda.get_device_properties(0).total_memory}
