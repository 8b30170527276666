"""Two ways to get the gradients of one batch: the project's, and the plain one that everybody writes first.

The only place of the benchmark that names the project's trainer and collator.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.model.batching import IGNORED
from arc_pipeline.model.meter import Meter
from arc_pipeline.model.training import ExactTrainer, collator, training_arguments

Example = dict[str, Any]
# leaves the gradients of the mean loss over all supervised tokens in the model, and returns that loss
Way = Callable[[Sequence[Example]], float]


def project_way(model: Any, tokenizer: Any, experiment: Experiment) -> Way:
    """As a training does it: the experiment's micro-batches through the trainer's own collator and step."""
    collate = collator(model, experiment.packing, tokenizer.pad_token_id)
    with tempfile.TemporaryDirectory() as work:
        arguments = training_arguments(experiment, Path(work))
        meter = Meter(np.ones(experiment.n_examples, dtype=np.int64), experiment.batch_size)
        options = {"model": model, "args": arguments, "data_collator": collate, "train_dataset": []}
        trainer = ExactTrainer(meter, lambda row: None, **options)
    rows = arguments.per_device_train_batch_size
    trainer.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps

    def way(batch: Sequence[Example]) -> float:
        model.zero_grad()
        supervised = torch.tensor(supervised_tokens(batch))
        parts = [list(batch[begin : begin + rows]) for begin in range(0, len(batch), rows)]
        return sum(float(trainer.training_step(model, collate(part), supervised)) for part in parts)

    return way


def plain_way(model: Any) -> Way:
    """One example a micro-batch, logits for every token, gradients accumulated."""

    def way(batch: Sequence[Example]) -> float:
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

    return way


@contextmanager
def usual_attention(model: Any) -> Iterator[None]:
    """The model's attention as transformers chooses it; the project's collator may have changed it."""
    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    yield
    model.set_attn_implementation(before)


def supervised_tokens(batch: Sequence[Example]) -> int:
    """Tokens that carry loss; the first of a row never does, nothing comes before it."""
    return sum(label != IGNORED for example in batch for label in example["labels"][1:])
