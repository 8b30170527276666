"""Unfinished trainings from which the one that begins cannot resume, since it is another one: said, never removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.store.differences import changed
from arc_pipeline.store.pruning import JOB

NAMED_FIELDS = 3


def warn_of_unfinished(context: dg.AssetExecutionContext, job: TrainingJob) -> None:
    """A training that begins at step 0 although hours of another one are on the disk says so, and why."""
    if not is_begun(job):
        for words in unfinished(job):
            context.log.warning(words)


def is_begun(job: TrainingJob) -> bool:
    """Whether something is there from which the training will resume."""
    from arc_pipeline.model.weights.checkpoint import TASK_ADAPTERS

    return any(job.work.glob("checkpoint-*")) or (job.work / TASK_ADAPTERS).is_dir()


def unfinished(job: TrainingJob) -> Iterator[str]:
    """A sentence for each other training of the experiment that has states."""
    from arc_pipeline.model.training.states import states

    for work in sorted(job.work.parent.glob("*")):
        if work != job.work and (saved := states(work)):
            yield (
                f"this training begins at step 0 and does not resume from {saved[0]}, for {_difference(work, job)} "
                "changed; undo that to resume from there, or remove it with: arc-pipeline prune"
            )


def _difference(work: Path, job: TrainingJob) -> str:
    """The fields of the experiment that differ; what else a training depends on has no words here."""
    now = job.experiment.model_dump(mode="json", include=job.experiment.training_fields().keys())
    try:
        then = json.loads((work / JOB).read_bytes())["experiment"]
    except (OSError, ValueError, KeyError):  # of a version of this program that wrote it otherwise
        then = now
    fields = changed({name: then.get(name) for name in now}, now)
    return "; ".join(fields[:NAMED_FIELDS]) or "its code, its examples or its initial weights"
