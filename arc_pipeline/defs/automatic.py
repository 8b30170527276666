"""What happens by itself, and only if somebody turns it on: cheap stages follow their data, trainings are proposed."""

from collections.abc import Iterator

import dagster as dg

from arc_pipeline.arc.artefact import hash_json
from arc_pipeline.defs.session import Session
from arc_pipeline.defs.staleness import Status

# for stages that cost seconds. `eager` alone would follow an upstream that was made again with the same data.
FOLLOWS_ITS_DATA = dg.AutomationCondition.eager().replace(
    "any_deps_updated",
    dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.will_be_requested()
    ),
)


class RefreshConfig(dg.Config):
    """`select` as on the command line; nothing is made unless `dry_run` is false."""

    select: list[str] = []
    dry_run: bool = True


@dg.op(description="Lists what is missing or stale with its causes; makes it, upstream first, unless it is a dry run.")
def refresh_stale(context: dg.OpExecutionContext, config: RefreshConfig) -> None:
    """Runs of their own, which the log names, make what is stale: this one only leads them."""
    session = Session.within(context.repository_def, context.instance)
    planned = session.plan(config.select)
    for status in planned:
        context.log.info(f"{status.node.artefact} is {status.status}: {'; '.join(status.causes)}")
    context.add_output_metadata({"planned": dg.MetadataValue.md(_listed(planned)), "count": len(planned)})
    if config.dry_run or not planned:
        context.log.info(f"{len(planned)} artefacts to make; nothing was made" + " (dry run)" * config.dry_run)
        return
    outcomes = session.refresh(config.select)
    for outcome in outcomes:
        context.log.info(f"run {outcome.run_id}: made {', '.join(str(node.artefact) for node in outcome.made)}")
    if failed := [f"run {each.run_id}: {each.failed}" for each in outcomes if each.failed]:
        raise dg.Failure("\n".join(failed), allow_retries=False)


def _listed(planned: list[Status]) -> str:
    lines = [f"- **{each.node.artefact}** is {each.status}: {'; '.join(each.causes)}" for each in planned]
    return "\n".join(lines) or "nothing is missing or stale"


@dg.job(description="Redo what is missing or stale and nothing else. A dry run unless the run config says otherwise.")
def refresh_job() -> None:
    """`arc-pipeline refresh` for the UI."""
    refresh_stale()


@dg.sensor(
    target=dg.AssetSelection.assets("checkpoint"),
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Proposes a training for each experiment whose checkpoint is missing or stale; off until turned on.",
)
def training_proposals_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Each state of an experiment is proposed once; the preview of a tick lists the proposals."""
    planned = Session.within(context.repository_def, context.instance).plan(["checkpoint"])
    proposed = [status for status in planned if status.node.key == "checkpoint"]
    if not proposed:
        yield dg.SkipReason("every checkpoint is fresh")
    for status in proposed:
        name = str(status.node.partition_key)
        wanted = [each for each in planned if each.node.partition_key == name]
        yield dg.RunRequest(
            run_key=f"{name}-{hash_json([[str(each.node.artefact), each.causes] for each in wanted])[:12]}",
            partition_key=name,
            asset_selection=[dg.AssetKey(each.node.key) for each in wanted],
            tags={"arc_pipeline/cause": "; ".join(status.causes)[:200]},
        )
