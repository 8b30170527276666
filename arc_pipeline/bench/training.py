"""`bench training`: the project's way of training against the plain one, interleaved in one run on real tasks.

A small model with a large vocabulary, as language models have: the logits are then what matters.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Task
from arc_pipeline.bench.memory import process_memory
from arc_pipeline.model.process import end_with_parent

VOCABULARY, LAYERS = 32_768, 2
LONGEST, BATCH, ROUNDS = 1024, 4, 3
SUPERVISE = ("answer", "all-outputs")
# float32: a loss of 10 is only known to 1e-6, whatever the order of the sums
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-6, 1e-5
DATASET = "arc-agi-1-training"
Report = Callable[[str], None]


def compare(tasks: Sequence[Task], report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The rows of the benchmark: rates for each rule of supervision, supervised tokens, and peak memory."""
    case = Case(tasks)
    checks = {supervise: case.check(supervise) for supervise in SUPERVISE}
    seconds = case.interleaved(report)
    rows = [case.rate(supervise, seconds, checks[supervise]) for supervise in SUPERVISE]
    rows.append(case.supervised_rate(seconds, checks["all-outputs"]))
    report("peak memory, each way in a process of its own")
    return [*rows, memory_row(case.batches["answer"], checks["answer"])]


class Case:
    """One model and one batch of real examples, supervised by either rule, and both ways to train on it."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        from arc_pipeline.bench.examples import first_recipes
        from arc_pipeline.bench.ways import plain_way, project_way
        from arc_pipeline.model.tokenization import tiny_tokenizer
        from arc_pipeline.model.training import ExampleDataset

        tokenizer, by_name = tiny_tokenizer(), {DATASET: tasks}
        self.model = random_model()
        self.batches, self.ways = {}, {}
        for supervise in SUPERVISE:
            experiment = an_experiment(supervise)
            examples = ExampleDataset(
                first_recipes(experiment, by_name, tokenizer, BATCH), by_name, experiment, tokenizer
            )
            self.batches[supervise] = [examples[index] for index in range(BATCH)]
            self.ways[supervise, "ours"] = project_way(self.model, tokenizer, experiment)
            self.ways[supervise, "reference"] = plain_way(self.model)

    def check(self, supervise: str) -> str:
        """Compares losses and gradients of both ways; it also warms up."""
        results = [
            (self.ways[supervise, way](self.batches[supervise]), self._gradients()) for way in ("ours", "reference")
        ]
        (ours, our_gradients), (reference, gradients) = results
        loss = abs(ours - reference) / abs(reference)
        largest = max(float(each.abs().max()) for each in gradients.values())
        gradient = max(float((our_gradients[name] - each).abs().max()) for name, each in gradients.items()) / largest
        if loss > LOSS_TOLERANCE or gradient > GRADIENT_TOLERANCE:
            raise ArcPipelineError(
                f"bench training, supervise {supervise}: the two ways are not equal: losses {ours:.9f} and "
                f"{reference:.9f}, gradients differ by up to {gradient:.1e} of the largest"
            )
        return (
            f"loss equal to {LOSS_TOLERANCE:.0e} of itself ({loss:.1e}), "
            f"gradients to {GRADIENT_TOLERANCE:.0e} of the largest ({gradient:.1e})"
        )

    def _gradients(self) -> dict[str, Any]:
        return {name: each.grad.detach().clone() for name, each in self.model.named_parameters()}

    def interleaved(self, report: Report) -> dict[tuple[str, str], list[float]]:
        """Seconds of every round, by (supervise, way)."""
        seconds: dict[tuple[str, str], list[float]] = {key: [] for key in self.ways}
        for number in range(ROUNDS):
            report(f"round {number + 1} of {ROUNDS}")
            for key, way in self.ways.items():
                begin = time.perf_counter()
                way(self.batches[key[0]])
                synchronize()
                seconds[key].append(time.perf_counter() - begin)
        return seconds

    def rate(self, supervise: str, seconds: Mapping[tuple[str, str], list[float]], check: str) -> dict[str, Any]:
        """Tokens a second; padding counts for nothing."""
        n_tokens = sum(len(example["input_ids"]) for example in self.batches[supervise])
        both = seconds[supervise, "ours"], seconds[supervise, "reference"]
        return row(f"training step, supervise: {supervise}", *rates(n_tokens, n_tokens, *both), "tokens/s", check)

    def supervised_rate(self, seconds: Mapping[tuple[str, str], list[float]], check: str) -> dict[str, Any]:
        """What `all-outputs` yields against the plain way on answers alone."""
        from arc_pipeline.bench.ways import supervised_tokens

        ours, reference = (supervised_tokens(self.batches[each]) for each in ("all-outputs", "answer"))
        both = seconds["all-outputs", "ours"], seconds["answer", "reference"]
        name = "supervised tokens, ours with all-outputs against plain with answer"
        return row(name, *rates(ours, reference, *both), "supervised tokens/s", check)


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


def memory_row(batch: Sequence[dict[str, Any]], check: str) -> dict[str, Any]:
    """Peak memory of a step above what the loaded model takes, either way in a fresh process."""
    ours, reference = (peak_of_child(way, batch) for way in ("ours", "reference"))
    return row("peak memory of a step, supervise: answer", ours, reference, reference / ours, "MB", check)


def peak_of_child(way: str, batch: Sequence[dict[str, Any]]) -> float:
    """Runs this module in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, way], input=json.dumps(batch), capture_output=True, text=True
    )
    if done.returncode:
        raise ArcPipelineError(f"the measurement of memory failed: {done.stderr[-1000:]}")
    return float(done.stdout)


def peak_megabytes(way: str, batch: Sequence[dict[str, Any]]) -> float:
    """Peak memory of one step above what this process holds; a step on short examples has loaded all code before."""
    import torch

    from arc_pipeline.bench.ways import plain_way, project_way
    from arc_pipeline.model.tokenization import tiny_tokenizer

    model = random_model()
    step = plain_way(model) if way == "reference" else project_way(model, tiny_tokenizer(), an_experiment("answer"))
    step([{key: values[-16:] for key, values in example.items()} for example in batch])
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(batch)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = process_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading
    step(batch)
    return (process_memory("VmHWM") - before) / 1e6


def synchronize() -> None:
    """Waits for the GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def an_experiment(supervise: str) -> Experiment:
    """Real examples of all lengths up to the longest, in float32, so that equal means equal."""
    fields = {"name": "bench", "train": [{"dataset": DATASET}], "supervise": supervise, "max_steps": 1}
    fields |= {"batch_size": BATCH, "max_seq_len": LONGEST, "precision": "fp32", "predict": {"datasets": [DATASET]}}
    return Experiment.model_validate(fields)


def random_model() -> Any:
    """The tiny model with a large vocabulary."""
    from arc_pipeline.model import loading

    return loading.random_model(loading.TINY_CONFIG | {"num_hidden_layers": LAYERS}, VOCABULARY, seed=0)


if __name__ == "__main__":
    end_with_parent()
    print(peak_megabytes(sys.argv[1], json.load(sys.stdin)))
