"""What happens by itself, and only if somebody turns it on: cheap stages follow their data, trainings are proposed."""

from collections.abc import Callable, Iterator

import dagster as dg

from arc_pipeline.defs.run_process import tag_with_process
from arc_pipeline.defs.staleness.scanner import Status
from arc_pipeline.defs.upkeep.runs import COMMAND_TAG, Batch, Outcome
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import hash_json


class RefreshConfig(dg.Config):
    """`select` as on the command line; with `dry_run`, it only lists what it would make."""

    select: list[str] = []
    dry_run: bool = False


def refresh_job(project: Project, assets: Callable[[], dg.Definitions]) -> dg.JobDefinition:
    """`arc-pipeline refresh` for the UI; `assets` has what there is to make."""

    @dg.op(description="Lists what is missing or stale with its causes and makes it, upstream first.")
    def refresh_stale(context: dg.OpExecutionContext, config: RefreshConfig) -> None:
        tag_with_process(context.instance, context.run_id)
        session = Session(project, assets(), context.instance)
        planned = session.plan(config.select)
        for line in session.explain_on_hold(config.select):
            context.log.info(line)
        session.refuse_missing_weights(planned)
        context.add_output_metadata({"planned": dg.MetadataValue.md(_listed(planned)), "count": len(planned)})
        for status in planned:
            context.log.info(str(status))
        if config.dry_run or not planned:
            context.log.info(f"{len(planned)} artefacts to make; nothing was made" + " (dry run)" * config.dry_run)
        else:
            _make(context, session, config.select)

    @dg.job(
        name="refresh_job",
        description="Redo what is missing or stale and nothing else. Run config: `select` as on the "
        "command line, `dry_run` only lists.",
    )
    def job() -> None:
        refresh_stale()

    return job


def _make(context: dg.OpExecutionContext, session: Session, select: list[str]) -> None:
    """Runs of their own, which the log names, make what is stale: this one only leads them."""
    tags = {COMMAND_TAG: "refresh_job"}

    def begins(done: int, total: int, batch: Batch) -> None:
        context.log.info(f"{done}/{total} done, now: {batch}")

    def ended(outcome: Outcome) -> None:
        made = ", ".join(str(node.artefact) for node in outcome.made) or "nothing"
        run = {"run": dg.MetadataValue.dagster_run(outcome.run_id)}
        words = outcome.failed or f"made {made}"
        context.log_event(dg.ExpectationResult(not outcome.failed, str(outcome.batch), words, run))

    outcomes = session.refresh(select, begins, ended=ended, tags=tags)
    if failed := [f"run {outcome.run_id}: {outcome.failed}" for outcome in outcomes if outcome.failed]:
        raise dg.Failure("\n".join(failed), allow_retries=False)


def _listed(planned: list[Status]) -> str:
    lines = [f"- **{status.node.artefact}** is {status.status}: {'; '.join(status.causes)}" for status in planned]
    return "\n".join(lines) or "nothing is missing or stale"


def training_proposals(project: Project, assets: dg.Definitions) -> dg.SensorDefinition:
    """Proposes trainings; each state of an experiment once. The preview of a tick lists the proposals."""

    @dg.sensor(
        name="training_proposals_sensor",
        target=dg.AssetSelection.assets("checkpoint"),
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Proposes a training for each experiment whose checkpoint is missing or stale; off by default.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        planned = Session(project, assets, context.instance).plan(["checkpoint"])
        proposed = [status for status in planned if status.node.key == "checkpoint"]
        if not proposed:
            yield dg.SkipReason("every checkpoint is fresh")
        for status in proposed:
            yield _request(
                status, [other for other in planned if other.node.partition_key == status.node.partition_key]
            )

    return sensor


def _request(checkpoint: Status, wanted: list[Status]) -> dg.RunRequest:
    """The run that makes a checkpoint and what is stale before it, of its own partition."""
    name = str(checkpoint.node.partition_key)
    state = hash_json([[str(status.node.artefact), status.causes] for status in wanted])
    return dg.RunRequest(
        run_key=f"{name}-{state[:12]}",
        partition_key=name,
        asset_selection=[dg.AssetKey(status.node.key) for status in wanted],
        tags={"arc_pipeline/cause": "; ".join(checkpoint.causes)[:200]},
    )
