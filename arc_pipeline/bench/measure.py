"""The measuring program: `python -m arc_pipeline.bench.measure JOB.json RESULT.json BUDGET`. Real steps, then it ends.

A process of its own: its peak memory is the training's, and memory that does not suffice ends it and nothing else.
"""

from arc_pipeline.machine.process import end_with_parent

end_with_parent()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from arc_pipeline.arc.experiment import Experiment  # noqa: E402
from arc_pipeline.bench.plan import WARM_UP, seconds_per_step, strata  # noqa: E402
from arc_pipeline.errors import ArcPipelineError  # noqa: E402
from arc_pipeline.model.training.job import TrainingJob  # noqa: E402

STARTED = time.monotonic()
DRAWN_STEPS = 64
DRAWN_EXAMPLES = 4096
MEASURED_STEPS = 16
OUT_OF_MEMORY = "out of memory"
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class EnoughMeasured(Exception):
    """Ends the trainer's loop when the time for measuring is over."""


def main(job_file: str, result_file: str, budget: str) -> None:
    """Measures what the job file describes; the result is a JSON file, also where it is an error."""
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    first_to_be_killed()
    try:
        result = measure(job, float(budget))
    except ArcPipelineError as error:
        result = {"error": str(error)}
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY_WORDS)):
            raise
        result = {"error": OUT_OF_MEMORY, **(device_memory() if OUT_OF_MEMORY in str(error) else {})}
    Path(result_file).write_text(json.dumps(result))


def first_to_be_killed() -> None:
    """Where memory runs out, the kernel shall take this process and spare the user's others."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")


def measure(job: TrainingJob, budget: float) -> dict[str, Any]:
    """Seconds of the mean step, peak memory and sizes, from a few real steps."""
    import transformers

    from arc_pipeline.bench.examples import first_recipes
    from arc_pipeline.model.training.dataset import validation_examples
    from arc_pipeline.model.training.trainer import ExampleDataset, collator
    from arc_pipeline.model.weights.loading import load_start, with_adapter

    transformers.logging.set_verbosity_error()
    experiment, tasks = job.experiment, job.training_tasks()
    model, tokenizer = load_start(job.start, experiment)
    if experiment.tuning.method == "lora":
        model = with_adapter(model, experiment.tuning, experiment.seed)
    loaded = time.monotonic() - STARTED
    validated = validation_examples(experiment, job.validated_tasks(), tokenizer)
    batch = experiment.batch_size // experiment.processes
    n_steps = max(1, min(DRAWN_STEPS, experiment.max_steps * experiment.processes, DRAWN_EXAMPLES // batch))
    recipes = first_recipes(experiment, tasks, tokenizer, n_steps * batch)
    drawn = ExampleDataset(recipes, tasks, experiment, tokenizer)
    collate = collator(model, experiment.packing, tokenizer.pad_token_id)
    costs = [step_cost(experiment, collate, drawn, step) for step in range(n_steps)]
    chosen = strata(costs, MEASURED_STEPS)
    # the first step shows the most memory that a step can take: every row is as long as the longest
    longest = max(range(recipes.num_rows), key=recipes["n_tokens"].to_pylist().__getitem__)
    rows = [longest] * (WARM_UP * batch) + [step * batch + row for step in chosen for row in range(batch)]
    examples = ExampleDataset(recipes.take(rows), tasks, experiment, tokenizer)
    seconds = step_seconds(model, tokenizer, examples, experiment, job.work, budget)
    measured = [(costs[step], each) for step, each in zip(chosen, seconds, strict=False)]
    return {
        "seconds_to_load": loaded,
        "seconds_per_step": seconds_per_step(measured, costs),
        "measured_steps": len(measured),
        "tokens_per_step": sum(recipes["n_tokens"].to_pylist()) / n_steps,
        "validation_tokens": sum(len(each["input_ids"]) for each in validated),
        "longest_example": recipes["n_tokens"][longest].as_py(),
        **sizes(model),
        **peak_memory(),
    }


def step_cost(experiment: Experiment, collate: Any, examples: Any, step: int) -> int:
    """Tokens that a step computes on, padding included."""
    from arc_pipeline.model.training.trainer import training_arguments

    arguments = training_arguments(experiment, Path("unused"))
    micro = arguments.per_device_train_batch_size
    begin = step * micro * arguments.gradient_accumulation_steps
    parts = [
        [examples[first + row] for row in range(micro)]
        for first in range(begin, begin + micro * arguments.gradient_accumulation_steps, micro)
    ]
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


def sizes(model: Any) -> dict[str, int]:
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


def peak_memory() -> dict[str, Any]:
    """The most memory that was in use: of the GPU where there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_reserved()
        return {"device": torch.cuda.get_device_name(), "memory_bytes": peak, **device_memory()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"device": "cpu", "memory_bytes": peak}


def device_memory() -> dict[str, int]:
    """All memory of the GPU; nothing where there is none, for then it is this machine's."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {"device_memory_bytes": torch.cuda.get_device_properties(0).total_memory}


if __name__ == "__main__":
    main(*sys.argv[1:])
