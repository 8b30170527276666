"""`bench training`: the project's training step against the plain one, interleaved in one run on real tasks.

A model with the architecture of Qwen2-0.5B but few layers: its logits are what matters. And the tiny model, where it is
padding that costs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench.examples import FEW_LAYERS, bench_experiment, bench_model, first_batch
from arc_pipeline.bench.timing import Report, interleaved, rates, row
from arc_pipeline.bench.train_steps import (
    equality,
    memory_row,
    padded_step,
    plain_step,
    project_step,
    supervised_tokens,
)
from arc_pipeline.model.weights.loading import TINY_CONFIG
from arc_pipeline.model.weights.tokenization import tiny_tokenizer

BATCH = 4
PADDED_BATCH = 16
SUPERVISE = ("answer", "all-outputs")
Seconds = Mapping[tuple[str, str], list[float]]


def compare_steps(tasks: Sequence[Task], report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The rows of the benchmark: rates for each rule of supervision, supervised tokens, and peak memory."""
    case = StepCase(tasks)
    checks = {supervise: case.check(supervise) for supervise in SUPERVISE}
    seconds = case.interleaved(report)
    rows = [case.rate(supervise, seconds, checks[supervise]) for supervise in SUPERVISE]
    rows.append(case.supervised_rate(seconds, checks["all-outputs"]))
    report("peak memory, each step in a process of its own")
    rows += [memory_row(method, case.batches["answer"]) for method in ("full", "lora")]
    return [*rows, packing_row(tasks, report)]


class StepCase:
    """One model and one batch of real examples, supervised by either rule, and both steps on it."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        tokenizer = tiny_tokenizer()
        self.model = bench_model(FEW_LAYERS)
        self.batches, self.steps = {}, {}
        for supervise in SUPERVISE:
            experiment = bench_experiment(supervise, BATCH)
            self.batches[supervise] = first_batch(experiment, tasks, tokenizer)
            self.steps[supervise, "ours"] = project_step(self.model, tokenizer, experiment)
            self.steps[supervise, "reference"] = plain_step(self.model)

    def check(self, supervise: str) -> str:
        """Compares losses and gradients of both steps; it also warms up."""
        both = self.steps[supervise, "ours"], self.steps[supervise, "reference"]
        return equality(f"supervise {supervise}", self.model, self.batches[supervise], *both)

    def interleaved(self, report: Report) -> dict[tuple[str, str], list[float]]:
        """Seconds of every round, by (supervise, which step)."""
        return interleaved({key: partial(step, self.batches[key[0]]) for key, step in self.steps.items()}, report)

    def rate(self, supervise: str, seconds: Seconds, check: str) -> dict[str, Any]:
        """Tokens a second; padding counts for nothing."""
        n_tokens = sum(len(example["input_ids"]) for example in self.batches[supervise])
        both = seconds[supervise, "ours"], seconds[supervise, "reference"]
        return row(f"training step, supervise: {supervise}", *rates(n_tokens, n_tokens, *both), "tokens/s", check)

    def supervised_rate(self, seconds: Seconds, check: str) -> dict[str, Any]:
        """What `all-outputs` yields against the plain step on answers alone."""
        ours, reference = (supervised_tokens(self.batches[rule]) for rule in ("all-outputs", "answer"))
        both = seconds["all-outputs", "ours"], seconds["answer", "reference"]
        name = "supervised tokens, ours with all-outputs against plain with answer"
        return row(name, *rates(ours, reference, *both), "supervised tokens/s", check)


def packing_row(tasks: Sequence[Task], report: Report) -> dict[str, Any]:
    """The tiny model on batches of real tasks: several examples in a row, against a batch padded to its longest."""
    tokenizer = tiny_tokenizer()
    model = bench_model(TINY_CONFIG | {"vocab_size": len(tokenizer)})
    experiment = bench_experiment("answer", PADDED_BATCH)
    batch = first_batch(experiment, tasks, tokenizer)
    ours, reference = project_step(model, tokenizer, experiment), padded_step(model, tokenizer)
    check = equality("packed and padded", model, batch, ours, reference)
    report("the tiny model, packed and padded")
    seconds = interleaved({"ours": partial(ours, batch), "reference": partial(reference, batch)}, report)
    both = seconds["ours"], seconds["reference"]
    name = f"tiny model, {len(batch)} examples packed, against a batch padded to its longest"
    return row(name, *rates(len(batch), len(batch), *both), "examples/s", check)
