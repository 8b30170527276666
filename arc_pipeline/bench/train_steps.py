"""Training steps on one batch: the project's, and the plain ones that everybody writes first.

The only place of the benchmark that names the project's trainer and collator.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.batching import IGNORED, Padded
from arc_pipeline.model.training.trainer import ExactTrainer, base_of, collator, training_arguments

Example = dict[str, Any]
# leaves the gradients of the mean loss over all supervised tokens in the model, and returns that loss
TrainStep = Callable[[Sequence[Example]], float]
# float32: a loss of 10 is only known to 1e-6, whatever the order of the sums
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-6, 1e-5


def equality(name: str, model: Any, batch: Sequence[Example], ours: TrainStep, reference: TrainStep) -> str:
    """How equal the losses and gradients of two steps are; ArcPipelineError if they are not."""
    (loss, gradients), (expected, expected_gradients) = ((step(batch), _gradients(model)) for step in (ours, reference))
    apart = abs(loss - expected) / abs(expected)
    largest = max(float(gradient.abs().max()) for gradient in expected_gradients.values())
    differences = (float((gradients[name] - gradient).abs().max()) for name, gradient in expected_gradients.items())
    gradient_apart = max(differences) / largest
    if apart > LOSS_TOLERANCE or gradient_apart > GRADIENT_TOLERANCE:
        raise ArcPipelineError(
            f"bench training, {name}: the two steps are not equal: losses {loss:.9f} and "
            f"{expected:.9f}, gradients differ by up to {gradient_apart:.1e} of the largest"
        )
    return (
        f"loss equal to {LOSS_TOLERANCE:.0e} of itself ({apart:.1e}), "
        f"gradients to {GRADIENT_TOLERANCE:.0e} of the largest ({gradient_apart:.1e})"
    )


def _gradients(model: Any) -> dict[str, Any]:
    return {name: weight.grad.detach().clone() for name, weight in model.named_parameters()}


def project_step(model: Any, tokenizer: Any, experiment: Experiment) -> TrainStep:
    """As a training does it: the experiment's micro-batches through the trainer's own collator and step."""
    collate = collator(model, experiment.packing, tokenizer.pad_token_id)
    with tempfile.TemporaryDirectory() as work:
        arguments = training_arguments(experiment, Path(work))
        trainer = ExactTrainer(model=model, args=arguments, data_collator=collate, train_dataset=[])
    rows = arguments.per_device_train_batch_size
    trainer.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps

    def step(batch: Sequence[Example]) -> float:
        model.zero_grad()
        supervised = torch.tensor(supervised_tokens(batch))
        parts = [list(batch[begin : begin + rows]) for begin in range(0, len(batch), rows)]
        return sum(float(trainer.training_step(model, collate(part), supervised)) for part in parts)

    return step


def plain_step(model: Any) -> TrainStep:
    """One example a micro-batch, logits for every token, gradients accumulated."""

    def step(batch: Sequence[Example]) -> float:
        with usual_attention(model):
            return gradients(batch)

    def gradients(batch: Sequence[Example]) -> float:
        model.train().zero_grad()
        supervised, total = supervised_tokens(batch), 0.0
        for example in batch:
            logits = model(input_ids=torch.tensor([example["input_ids"]], device=model.device)).logits[0, :-1]
            labels = torch.tensor(example["labels"][1:], device=model.device)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
            (loss / supervised).backward()
            total += float(loss.detach()) / supervised
        return total

    return step


def padded_step(model: Any, tokenizer: Any) -> TrainStep:
    """One batch, every example padded to the longest, logits for every token."""
    collate = Padded(tokenizer.pad_token_id, keep_all=True)

    def step(batch: Sequence[Example]) -> float:
        with usual_attention(model):
            model.train().zero_grad()
            tensors = {name: tensor.to(model.device) for name, tensor in collate(batch).items()}
            loss = model(**tensors, use_cache=False).loss
            loss.backward()
            return float(loss.detach())

    return step


@contextmanager
def usual_attention(model: Any) -> Iterator[None]:
    """The model's attention as transformers chooses it; the project's collator may have changed it."""
    model = base_of(model)
    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    yield
    model.set_attn_implementation(before)


def supervised_tokens(batch: Sequence[Example]) -> int:
    """Tokens that carry loss; the first of a row never does, nothing comes before it."""
    return sum(label != IGNORED for example in batch for label in example["labels"][1:])
