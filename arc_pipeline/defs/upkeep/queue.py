"""The training queue: each evening the next experiment that needs a training, and never a second one beside it.

Only decides; what it launches is a run like any other. Knows nothing of how a training is run.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG, WILL_RETRY_TAG

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.tasks.documents import TypedLoader, parse_yaml, read_bytes
from arc_pipeline.defs.assets.augmentation import augmented_examples
from arc_pipeline.defs.assets.configs import augmentation_config, initial_weights, training_config
from arc_pipeline.defs.assets.training import checkpoint
from arc_pipeline.defs.partitions import Partitions
from arc_pipeline.defs.policy import UNFINISHED_RUNS
from arc_pipeline.defs.staleness.scanner import FRESH, MISSING, UNRECORDED, Node, Scanner, Status
from arc_pipeline.defs.upkeep.dead_runs import end_dead_runs
from arc_pipeline.defs.upkeep.on_hold import unrequested
from arc_pipeline.errors import ArcPipelineError, Fault, FaultyInput
from arc_pipeline.machine.time_zone import time_zone
from arc_pipeline.project import Project

EVERY_EVENING = "0 20 * * *"
# what one run can make: the stages of one experiment up to its checkpoint
STAGES = (augmentation_config, augmented_examples, training_config, initial_weights, checkpoint)
STAGE_NAMES = [stage.name for stage in STAGES]
USABLE = frozenset({FRESH, UNRECORDED})
RETRIED_WITHIN = timedelta(minutes=5)


def checkpoint_job(partitions: Partitions) -> UnresolvedAssetJobDefinition:
    """The job of the runs that the queue launches."""
    return dg.define_asset_job(
        "training_job",
        selection=dg.AssetSelection.assets(*STAGE_NAMES),
        partitions_def=partitions.experiment,
        description="One experiment from its file to its checkpoint; the tasks of its datasets must be there.",
    )


def training_queue(
    project: Project,
    assets: dg.Definitions,
    job: UnresolvedAssetJobDefinition,
    name: str = "training_queue_schedule",
    cron: str = EVERY_EVENING,
) -> dg.ScheduleDefinition:
    """A schedule that launches the next training of the queue; `assets` has those to look at."""

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=time_zone(),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Launches the next experiment of data/training_queue.yaml whose checkpoint is missing or stale.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        scanner = Scanner(project, assets.resolve_asset_graph(), context.instance)
        try:
            return next_training(scanner, context.instance, read_queue(project))
        except ArcPipelineError as error:
            return dg.SkipReason(str(error))

    return schedule


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, as after a power cut, so that run_retries start them again.",
)
def dead_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    end_dead_runs(context.instance)
    return dg.SkipReason("it looks after runs and launches none")


def read_queue(project: Project) -> list[str]:
    """The experiments in the order in which to train them: the file's, or by name all but those made on request."""
    catalogue, path = project.experiments(), project.queue_file
    known = catalogue.names()
    if not path.exists():
        skipped = unrequested(catalogue, project.store)
        return [name for name in known if name not in skipped]
    names = parse_yaml(path.name, read_bytes(path.name, path), TypedLoader)
    if not isinstance(names, list):
        raise FaultyInput([Fault(path.name, "", "must be a list of experiments", repr(names)[:60])])
    unknown = [name for name in names if name not in known]
    if unknown:
        problem = f"no such experiment{did_you_mean_or_all(str(unknown[0]), known)}"
        raise FaultyInput([Fault(path.name, "", problem, repr(unknown[0]))])
    return names


def next_training(scanner: Scanner, instance: DagsterInstance, queue: Sequence[str]) -> dg.RunRequest | dg.SkipReason:
    """What to launch now, or why nothing. Those whose last training failed come after all others."""
    if running := unfinished_trainings(instance):
        run = running[0]
        what = run.tags.get(PARTITION_NAME_TAG, "several")
        return dg.SkipReason(f"a training ({what}) is {run.status.value.lower()} in run {run.run_id}")
    passed_over = []
    for name in sorted(queue, key=lambda name: _failed_last(instance, name)):
        needed = stages_to_make(scanner, name)
        if not needed:
            continue
        if obstacle := next(obstacles(scanner, needed), ""):
            passed_over.append(f"{name}: {obstacle}")
            continue
        return dg.RunRequest(partition_key=name, asset_selection=[dg.AssetKey(stage.node.key) for stage in needed])
    return dg.SkipReason("; ".join(passed_over) or "every checkpoint of the queue is up to date")


def unfinished_trainings(instance: DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that are queued, under way or about to be retried, and make a checkpoint; one that selects no assets makes
    all of its job's."""
    runs = [*instance.get_runs(UNFINISHED_RUNS), *_to_be_retried(instance)]
    return [run for run in runs if run.asset_selection is None or checkpoint.key in run.asset_selection]


def _to_be_retried(instance: DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that failed just now and that the daemon will start again; none without a daemon."""
    since = datetime.now(UTC) - RETRIED_WITHIN
    lately = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "true"}, updated_after=since)
    return [run for run in instance.get_runs(lately) if AUTO_RETRY_RUN_ID_TAG not in run.tags]


def _failed_last(instance: DagsterInstance, experiment: str) -> bool:
    of_experiment = dg.RunsFilter(tags={PARTITION_NAME_TAG: experiment})
    runs = (run for run in instance.get_runs(of_experiment) if checkpoint.key in (run.asset_selection or ()))
    last = next(runs, None)
    return last is not None and last.status == dg.DagsterRunStatus.FAILURE


def stages_to_make(scanner: Scanner, experiment: str) -> list[Status]:
    """The stages of an experiment that its checkpoint needs made, itself included, upstream first."""
    statuses = [scanner.status(Node(name, experiment)) for name in STAGE_NAMES]
    return [status for status in statuses if status.status not in USABLE] if statuses[-1].status not in USABLE else []


def obstacles(scanner: Scanner, needed: Sequence[Status]) -> Iterator[str]:
    """Why a run of these stages could not succeed: what is not theirs to make, and what only a person can fix."""
    for stage in needed:
        for parent in map(scanner.status, scanner.parents(stage.node)):
            own = parent.node.key in STAGE_NAMES and parent.node.partition_key == stage.node.partition_key
            if not own and parent.status not in USABLE:
                yield f"{parent.node.artefact} is {parent.status}, materialize it first"
        for cause in stage.causes:
            if cause.startswith("its file cannot be used") or _only_failed_checks(stage):
                yield f"{stage.node.artefact}: {cause}"


def _only_failed_checks(stage: Status) -> bool:
    """Whether made again it would be the same, and fail the same checks."""
    return stage.status != MISSING and all(cause.startswith("its check ") for cause in stage.causes)
