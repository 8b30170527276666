"""What is said before a training begins: what it will cost here, and which unfinished ones it does not resume.

The cost comes from a few real steps on this machine, and is observed on the checkpoint.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.arc.augmentation.recipes import recipes_by_task
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.durations import readable_duration
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.store.differences import changed
from arc_pipeline.store.pruning import JOB

# a shorter training is over before its estimate is of use
ESTIMATED_FROM_STEPS = 1000
BUDGET_SECONDS = 20.0
OBSERVED = ("seconds", "memory_bytes", "disk_bytes", "tokens_per_second", "measured_steps", "device")
NAMED_FIELDS = 3


def observe_cost(context: dg.AssetExecutionContext, job: TrainingJob, disk: Path) -> None:
    """Records time, memory and disk of the whole training; TrainingDoesNotFit if it cannot fit the memory.

    Silent for a short training, and for one that resumes: that was estimated when it began.
    """
    from arc_pipeline.bench.estimate import TrainingDoesNotFit, estimate_training

    if total_steps(job) < ESTIMATED_FROM_STEPS or job.has_begun():
        return
    tasks = job.training_tasks() | job.validated_tasks()
    try:
        estimate = estimate_training(job.experiment, job.start, tasks, disk, BUDGET_SECONDS)
    except TrainingDoesNotFit:
        raise
    except ArcPipelineError as error:
        context.log.warning(f"what the training will cost is not known: {error}")
    else:
        observe(context, job, estimate)


def total_steps(job: TrainingJob) -> int:
    """The steps of all trainings of the job: one, or one for each task."""
    trainings = len(recipes_by_task(job.recipes())) if job.experiment.test_time == "task" else 1
    return trainings * job.experiment.max_steps


def observe(context: dg.AssetExecutionContext, job: TrainingJob, estimate: dict[str, Any]) -> None:
    """Logs the estimate and records it as metadata, numbers that Dagster plots over time.

    Too little room on the disk is a warning alone: some may be freed meanwhile.
    """
    from arc_pipeline.bench.estimate import shortages

    context.log.info(
        f"the whole training will take about {readable_duration(estimate['seconds'])}, "
        f"{estimate['memory_bytes'] / 1e9:.1f} GB of memory and {estimate['disk_bytes'] / 1e9:.2f} GB of disk "
        f"({estimate['measured_steps']} steps measured)"
    )
    for shortage in shortages(job.experiment, estimate):
        context.log.warning(shortage)
    metadata = {f"estimated_{name}": estimate[name] for name in OBSERVED}
    context.log_event(dg.AssetObservation("checkpoint", partition=context.partition_key, metadata=metadata))


def warn_of_unfinished(context: dg.AssetExecutionContext, job: TrainingJob) -> None:
    """A training that begins at step 0 although hours of another one are on the disk says so, and why."""
    if not job.has_begun():
        for warning in other_trainings(job):
            context.log.warning(warning)


def other_trainings(job: TrainingJob) -> Iterator[str]:
    """A sentence for each other training of the experiment that has states. They are named, never removed."""
    from arc_pipeline.model.training.states import states

    for work in sorted(job.work.parent.glob("*")):
        if work != job.work and (unfinished := states(work)):
            yield (
                f"this training begins at step 0 and does not resume from {unfinished[0]}, because "
                f"{_difference(work, job)} changed; undo that to resume from there, or remove it with: "
                "arc-pipeline prune"
            )


def _difference(work: Path, job: TrainingJob) -> str:
    """The fields of the experiment that differ; code, examples and initial weights are not told apart."""
    now = job.experiment.model_dump(mode="json", include=job.experiment.training_fields().keys())
    try:
        then = json.loads((work / JOB).read_bytes())["experiment"]
    except (OSError, ValueError, KeyError):  # of a version of this program that wrote it otherwise
        then = now
    differences = changed({name: then.get(name) for name in now}, now)
    return "; ".join(differences[:NAMED_FIELDS]) or "its code, its examples or its initial weights"
