"""`bench training`: the project's way of training against the plain one, interleaved in one run on real tasks.

A model with the shape of Qwen2-0.5B but for the number of its layers: its logits are what matters. And the tiny model,
where it is padding that costs.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench.cases import FEW_LAYERS, an_experiment, batch_of, random_model
from arc_pipeline.bench.peak import memory_row

BATCH, ROUNDS = 4, 3
PADDED_BATCH = 16
SUPERVISE = ("answer", "all-outputs")
Report = Callable[[str], None]
Key = TypeVar("Key")


def compare(tasks: Sequence[Task], report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The rows of the benchmark: rates for each rule of supervision, supervised tokens, and peak memory."""
    case = Case(tasks)
    checks = {supervise: case.check(supervise) for supervise in SUPERVISE}
    seconds = case.interleaved(report)
    rows = [case.rate(supervise, seconds, checks[supervise]) for supervise in SUPERVISE]
    rows.append(case.supervised_rate(seconds, checks["all-outputs"]))
    report("peak memory, each way in a process of its own")
    rows += [memory_row(method, case.batches["answer"]) for method in ("full", "lora")]
    return [*rows, packing_row(tasks, report)]


class Case:
    """One model and one batch of real examples, supervised by either rule, and both ways to train on it."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        from arc_pipeline.bench.train_steps import plain_way, project_way
        from arc_pipeline.model.weights.tokenization import tiny_tokenizer

        tokenizer = tiny_tokenizer()
        self.model = random_model(FEW_LAYERS)
        self.batches, self.ways = {}, {}
        for supervise in SUPERVISE:
            experiment = an_experiment(supervise, BATCH)
            self.batches[supervise] = batch_of(experiment, tasks, tokenizer)
            self.ways[supervise, "ours"] = project_way(self.model, tokenizer, experiment)
            self.ways[supervise, "reference"] = plain_way(self.model)

    def check(self, supervise: str) -> str:
        """Compares losses and gradients of both ways; it also warms up."""
        from arc_pipeline.bench.train_steps import equality

        ways = self.ways[supervise, "ours"], self.ways[supervise, "reference"]
        return equality(f"supervise {supervise}", self.model, self.batches[supervise], *ways)

    def interleaved(self, report: Report) -> dict[tuple[str, str], list[float]]:
        """Seconds of every round, by (supervise, way)."""
        return interleaved({key: partial(way, self.batches[key[0]]) for key, way in self.ways.items()}, report)

    def rate(self, supervise: str, seconds: Mapping[tuple[str, str], list[float]], check: str) -> dict[str, Any]:
        """Tokens a second; padding counts for nothing."""
        n_tokens = sum(len(example["input_ids"]) for example in self.batches[supervise])
        both = seconds[supervise, "ours"], seconds[supervise, "reference"]
        return row(f"training step, supervise: {supervise}", *rates(n_tokens, n_tokens, *both), "tokens/s", check)

    def supervised_rate(self, seconds: Mapping[tuple[str, str], list[float]], check: str) -> dict[str, Any]:
        """What `all-outputs` yields against the plain way on answers alone."""
        from arc_pipeline.bench.train_steps import supervised_tokens

        ours, reference = (supervised_tokens(self.batches[each]) for each in ("all-outputs", "answer"))
        both = seconds["all-outputs", "ours"], seconds["answer", "reference"]
        name = "supervised tokens, ours with all-outputs against plain with answer"
        return row(name, *rates(ours, reference, *both), "supervised tokens/s", check)


def interleaved(ways: Mapping[Key, Callable[[], object]], report: Report) -> dict[Key, list[float]]:
    """Seconds of every round of each way."""
    seconds: dict[Key, list[float]] = {key: [] for key in ways}
    for number in range(ROUNDS):
        report(f"round {number + 1} of {ROUNDS}")
        for key, way in ways.items():
            begin = time.perf_counter()
            way()
            synchronize()
            seconds[key].append(time.perf_counter() - begin)
    return seconds


def packing_row(tasks: Sequence[Task], report: Report) -> dict[str, Any]:
    """The tiny model on batches of real tasks: several examples in a row, against a batch padded to its longest."""
    from arc_pipeline.bench.train_steps import equality, padded_way, project_way
    from arc_pipeline.model.weights.loading import TINY_CONFIG
    from arc_pipeline.model.weights.tokenization import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    model = random_model(TINY_CONFIG | {"vocab_size": len(tokenizer)})
    experiment = an_experiment("answer", PADDED_BATCH)
    batch = batch_of(experiment, tasks, tokenizer)
    ours, reference = project_way(model, tokenizer, experiment), padded_way(model, tokenizer)
    check = equality("packed and padded", model, batch, ours, reference)
    report("the tiny model, packed and padded")
    seconds = interleaved({"ours": partial(ours, batch), "reference": partial(reference, batch)}, report)
    both = seconds["ours"], seconds["reference"]
    name = f"tiny model, {len(batch)} examples packed, against a batch padded to its longest"
    return row(name, *rates(len(batch), len(batch), *both), "examples/s", check)


def rates(
    ours: int, reference: int, our_seconds: Sequence[float], seconds: Sequence[float]
) -> tuple[float, float, float]:
    """(our rate, the reference's, the median of the ratios round by round)."""
    pairs = [(ours / a, reference / b) for a, b in zip(our_seconds, seconds, strict=True)]
    medians = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return *medians, statistics.median(a / b for a, b in pairs)


def row(name: str, ours: float, reference: float, ratio: float, unit: str, check: str) -> dict[str, Any]:
    """One line of the report; a ratio above 1 means that ours is better."""
    return {"name": name, "ours": ours, "reference": reference, "ratio": ratio, "unit": unit, "check": check}


def synchronize() -> None:
    """Waits for the GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
