"""What a training will cost, observed on its checkpoint before it begins: from a few real steps on this machine."""

from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.arc.augmentation.test_time import examples_of_each
from arc_pipeline.defs.unfinished import is_begun
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.job import TrainingJob, duration

# a shorter training is over before its estimate is of use
ESTIMATED_FROM_STEPS = 1000
BUDGET_SECONDS = 20.0
OBSERVED = ("seconds", "memory_bytes", "disk_bytes", "tokens_per_second", "measured_steps", "device")


def observe_cost(context: dg.AssetExecutionContext, job: TrainingJob, disk: Path) -> None:
    """Records time, memory and disk of the whole training; TrainingDoesNotFit if it cannot fit the memory.

    Too little room on the disk is a warning alone: some may be freed meanwhile. Silent for a short training, and for
    one that is resumed: that was estimated when it began.
    """
    from arc_pipeline.bench.estimate import TrainingDoesNotFit, estimate, too_little

    trainings = len(examples_of_each(job.recipes())) if job.experiment.test_time == "task" else 1
    if trainings * job.experiment.max_steps < ESTIMATED_FROM_STEPS or is_begun(job):
        return
    tasks = job.training_tasks() | job.validated_tasks()
    try:
        cost = estimate(job.experiment, job.start, tasks, disk, BUDGET_SECONDS)
    except TrainingDoesNotFit:
        raise
    except ArcPipelineError as error:
        context.log.warning(f"what the training will cost is not known: {error}")
        return
    context.log.info(
        f"the whole training will take about {duration(cost['seconds'])}, {cost['memory_bytes'] / 1e9:.1f} GB of "
        f"memory and {cost['disk_bytes'] / 1e9:.2f} GB of disk ({cost['measured_steps']} steps measured)"
    )
    for words in too_little(job.experiment, cost):
        context.log.warning(words)
    context.log_event(
        dg.AssetObservation("checkpoint", partition=context.partition_key, metadata=observed(cost)),
    )


def observed(cost: dict[str, Any]) -> dict[str, Any]:
    """The estimate as metadata, numbers that Dagster plots over time."""
    return {f"estimated_{name}": cost[name] for name in OBSERVED}
