"""The measuring program: `python -m arc_pipeline.bench.measure JOB.json RESULT.json BUDGET`. Real steps, then it ends.

A process of its own: its peak memory is the training's, and memory that does not suffice ends it and nothing else.
"""

from arc_pipeline.machine.process import end_with_parent

if __name__ == "__main__":
    end_with_parent()

import json
import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.bench.arithmetic import checkpoint_sizes, device_memory
from arc_pipeline.bench.examples import first_recipes
from arc_pipeline.bench.timing import WARM_UP, seconds_per_step, strata
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.job import TrainingJob

STARTED = time.monotonic()
DRAWN_STEPS = 64
DRAWN_EXAMPLES = 4096
MEASURED_STEPS = 16
OUT_OF_MEMORY = "out of memory"
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class EnoughMeasured(Exception):
    """Ends the trainer's loop when the time for measuring is over."""


@dataclass(frozen=True)
class DrawnSteps:
    """Steps as the training would have them: the recipes of their examples, and the tokens that each computes on."""

    recipes: pa.Table
    costs: list[int]

    def lengths(self) -> list[int]:
        """Tokens of each example."""
        lengths: list[int] = self.recipes["n_tokens"].to_pylist()
        return lengths

    def measured(self, steps: list[int]) -> pa.Table:
        """The recipes of some steps after the warm-up.

        The first step shows the most memory that a step can take: every example is the longest one.
        """
        lengths, batch = self.lengths(), self.recipes.num_rows // len(self.costs)
        longest = lengths.index(max(lengths))
        return self.recipes.take(
            [longest] * (WARM_UP * batch) + [step * batch + row for step in steps for row in range(batch)]
        )


def write_measurement(job_file: str, result_file: str, budget: str) -> None:
    """Measures what the job file describes; the result is a JSON file, also where it is an error."""
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    first_to_be_killed()
    try:
        result = measure_training(job, float(budget))
    except ArcPipelineError as error:
        result = {"error": str(error)}
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY_WORDS)):
            raise
        result = {"error": OUT_OF_MEMORY, **(device_memory() if OUT_OF_MEMORY in str(error) else {})}
    Path(result_file).write_text(json.dumps(result))


def first_to_be_killed() -> None:
    """Where memory runs out, the kernel should kill this process and spare the user's others."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def measure_training(job: TrainingJob, budget: float) -> dict[str, Any]:
    """Seconds of the mean step, peak memory and sizes, from a few real steps."""
    import transformers

    from arc_pipeline.model.training.dataset import validation_examples
    from arc_pipeline.model.weights.loading import load_start, with_adapter

    transformers.logging.set_verbosity_error()
    experiment = job.experiment
    model, tokenizer = load_start(job.start, experiment)
    if experiment.tuning.method == "lora":
        model = with_adapter(model, experiment.tuning, experiment.seed)
    loaded = time.monotonic() - STARTED
    validation = validation_examples(experiment, job.validated_tasks(), tokenizer)
    return {
        "seconds_to_load": loaded,
        "validation_tokens": sum(len(example["input_ids"]) for example in validation),
        **measure_steps(job, model, tokenizer, budget),
        **checkpoint_sizes(model),
        **peak_memory(),
    }


def measure_steps(job: TrainingJob, model: Any, tokenizer: Any, budget: float) -> dict[str, Any]:
    """Draws steps, runs some whose costs cover those of all, and infers the mean step."""
    from arc_pipeline.model.training.dataset import ExampleDataset

    drawn = draw_steps(job, model, tokenizer)
    chosen = strata(drawn.costs, MEASURED_STEPS)
    examples = ExampleDataset(drawn.measured(chosen), job.training_tasks(), job.experiment, tokenizer)
    seconds = step_seconds(model, tokenizer, examples, job.experiment, job.work, budget)
    measured = list(zip((drawn.costs[step] for step in chosen), seconds, strict=False))
    return {
        "seconds_per_step": seconds_per_step(measured, drawn.costs),
        "measured_steps": len(measured),
        "tokens_per_step": sum(drawn.lengths()) / len(drawn.costs),
        "longest_example": max(drawn.lengths()),
    }


def draw_steps(job: TrainingJob, model: Any, tokenizer: Any) -> DrawnSteps:
    """The first steps of the training, as one of its processes has them."""
    from arc_pipeline.model.training.trainer import ExampleDataset, collator

    experiment, tasks = job.experiment, job.training_tasks()
    batch = experiment.batch_size // experiment.processes
    n_steps = max(1, min(DRAWN_STEPS, experiment.max_steps * experiment.processes, DRAWN_EXAMPLES // batch))
    recipes = first_recipes(experiment, tasks, tokenizer, n_steps * batch)
    examples = ExampleDataset(recipes, tasks, experiment, tokenizer)
    collate = collator(model, experiment.packing, tokenizer.pad_token_id)
    return DrawnSteps(recipes, [step_cost(experiment, collate, examples, step) for step in range(n_steps)])


def step_cost(experiment: Experiment, collate: Any, examples: Any, step: int) -> int:
    """Tokens that a step computes on, padding included."""
    from arc_pipeline.model.training.trainer import training_arguments

    arguments = training_arguments(experiment, Path("unused"))
    micro = arguments.per_device_train_batch_size
    batch = micro * arguments.gradient_accumulation_steps
    begins = range(step * batch, (step + 1) * batch, micro)
    parts = ([examples[begin + row] for row in range(micro)] for begin in begins)
    return sum(collate(part)["input_ids"].numel() for part in parts)


def step_seconds(
    model: Any, tokenizer: Any, examples: Any, experiment: Experiment, work: Path, budget: float
) -> list[float]:
    """Seconds of each step after the warm-up, until `budget` seconds are over (three at least)."""
    from arc_pipeline.model.training.trainer import train

    ends: list[float] = []

    def report(row: dict[str, Any]) -> None:
        if "loss" in row:
            ends.append(row["seconds"])
        if len(ends) >= WARM_UP + 3 and ends[-1] > budget:
            raise EnoughMeasured

    steps = len(examples) * experiment.processes // experiment.batch_size
    batch = {"processes": 1, "batch_size": experiment.batch_size // experiment.processes}
    few = {"max_steps": steps, "logging_steps": 1, "save_steps": None, "validation": [], "eval_steps": None, **batch}
    with suppress(EnoughMeasured):
        train(model, tokenizer, examples, experiment.model_copy(update=few), work, report)
    return [after - before for before, after in zip(ends[WARM_UP - 1 :], ends[WARM_UP:], strict=False)]


def peak_memory() -> dict[str, Any]:
    """The most memory that was in use: of the GPU where there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_reserved()
        return {"device": torch.cuda.get_device_name(), "memory_bytes": peak, **device_memory()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"device": "cpu", "memory_bytes": peak}


if __name__ == "__main__":
    write_measurement(*sys.argv[1:])
