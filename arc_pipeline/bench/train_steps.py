"""Training steps on one batch: the project's, and the plain ones that everybody writes first.

As a program, it measures the peak memory of one step in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from arc_pipeline.arc.experiment import Experiment, Tuning
from arc_pipeline.bench.examples import FEW_LAYERS, bench_experiment, bench_model
from arc_pipeline.bench.timing import row
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.memory import peak_resident_memory, resident_memory
from arc_pipeline.machine.process import end_with_parent
from arc_pipeline.model.training.batching import IGNORED, Padded
from arc_pipeline.model.training.trainer import ExactTrainer, base_of, collator, training_arguments
from arc_pipeline.model.weights.loading import with_adapter
from arc_pipeline.model.weights.tokenization import tiny_tokenizer

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


def memory_row(method: str, batch: Sequence[Example]) -> dict[str, Any]:
    """Megabytes above what the loaded model takes."""
    ours, reference = (_of_child(step, method, batch) for step in ("ours", "reference"))
    check = "gradients among them, each step in a fresh process"
    return row(f"peak memory of a step, supervise: answer, {method}", ours, reference, reference / ours, "MB", check)


def _of_child(step: str, method: str, batch: Sequence[Example]) -> float:
    command = [sys.executable, "-m", __name__, step, method]
    done = subprocess.run(command, input=json.dumps(batch), capture_output=True, text=True)
    if done.returncode:
        raise ArcPipelineError(f"the measurement of memory failed: {done.stderr[-1000:]}")
    return float(done.stdout)


def peak_megabytes(name: str, method: str, batch: Sequence[Example]) -> float:
    """Peak memory of one step above what this process holds; a step on short examples has loaded all code before."""
    model, experiment = bench_model(FEW_LAYERS), bench_experiment("answer", len(batch))
    model = with_adapter(model, Tuning(method="lora"), seed=0) if method == "lora" else model
    step = plain_step(model) if name == "reference" else project_step(model, tiny_tokenizer(), experiment)
    step([{key: values[-16:] for key, values in example.items()} for example in batch])
    model.zero_grad()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(batch)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = resident_memory()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading
    step(batch)
    return (peak_resident_memory() - before) / 1e6


if __name__ == "__main__":
    end_with_parent()
    print(peak_megabytes(*sys.argv[1:], json.load(sys.stdin)))
