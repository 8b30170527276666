"""The runs that write what is stale into Dagster's database, and the sensor that looks while a daemon is there."""

import logging
from collections.abc import Callable
from contextlib import nullcontext

import dagster as dg
from dagster import DagsterInstance

from arc_pipeline.defs.origin import in_timeline
from arc_pipeline.defs.staleness.marks import Marks
from arc_pipeline.defs.staleness.scanner import Scanner
from arc_pipeline.defs.transaction import one_transaction
from arc_pipeline.errors import ArcPipelineError

JOB = "staleness_job"
SECONDS_BETWEEN = 15
FEW = 20
Look = Callable[[DagsterInstance], Scanner]


def mark(scanner: Scanner, instance: DagsterInstance) -> int:
    """Writes what changed since it was last written, in a run of its own; returns how many events, mostly none."""
    marks = Marks(scanner, instance)
    if marks.events:
        many = one_transaction(instance.event_log_storage) if len(marks.events) > FEW else nullcontext()
        with in_timeline(instance, JOB), many:
            config = {"loggers": {"quiet": {}}}
            _job(lambda _: marks).execute_in_process(instance=instance, run_config=config)
    else:
        marks.remember()
    return len(marks.events)


def staleness_job(look: Look) -> dg.JobDefinition:
    """The same for a click: at once, however long until the sensor looks."""
    return _job(lambda instance: Marks(look(instance), instance))


def staleness_sensor(look: Look) -> dg.SensorDefinition:
    """Looks again and again while a daemon is there."""

    @dg.sensor(
        name="staleness_sensor",
        minimum_interval_seconds=SECONDS_BETWEEN,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows in the UI what is stale: the check is_current of each partition. While it is off, checks "
        "are those of the last refresh, command or run of staleness_job.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        try:
            written = mark(look(context.instance), context.instance)
        except ArcPipelineError as error:
            return dg.SkipReason(str(error))
        return dg.SkipReason(f"{written} events written" if written else "nothing changed")

    return sensor


@dg.logger(description="Says nothing: what happens is in Dagster's database.")
def _quiet_logger(context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("arc_pipeline.quiet", logging.CRITICAL)
    logger.addHandler(logging.NullHandler())
    return logger


def _job(marks_of: Callable[[DagsterInstance], Marks]) -> dg.JobDefinition:
    @dg.op(name="mark_stale", description="Compares every artefact with what it was made from.")
    def op(context: dg.OpExecutionContext) -> None:
        marks = marks_of(context.instance)
        for event in marks.events:
            context.log_event(event)
        marks.remember()
        context.log.info(f"{len(marks.events)} events written" if marks.events else "nothing changed")

    @dg.job(
        name=JOB,
        description="Show in the UI what is stale, as it is now. Makes no artefact.",
        logger_defs={"quiet": _quiet_logger, "console": dg.colored_console_logger},
    )
    def job() -> None:
        op()

    return job
