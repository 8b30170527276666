"""The code location: builds the assets and the upkeep of a project, and adds only what concerns all of them."""

import logging
import os
from collections.abc import Collection
from functools import cache

import dagster as dg

from arc_pipeline.defs.assets import (
    augmentation,
    configs,
    curves,
    evaluation,
    inspection,
    prediction,
    scoring,
    tables,
    tasks,
    training,
)
from arc_pipeline.defs.declare import DeclaredAsset, Verdict
from arc_pipeline.defs.instance import HOME_VARIABLE
from arc_pipeline.defs.partitions import Partitions
from arc_pipeline.defs.policy import OTHER_OWNER, OWNERS
from arc_pipeline.defs.staleness.refusal import refusal, verdict
from arc_pipeline.defs.staleness.scan_job import staleness_job, staleness_sensor
from arc_pipeline.defs.staleness.scanner import Scanner
from arc_pipeline.defs.upkeep import automation, queue
from arc_pipeline.defs.upkeep.on_hold import worked_on
from arc_pipeline.defs.upkeep.progress import progress_logger
from arc_pipeline.defs.workspace import Workspace, set_guard
from arc_pipeline.project import Project

STAGES = (tasks, configs, augmentation, training, prediction, scoring, evaluation, inspection, curves, tables)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the definitions of the project as its files are now."""
    project = Project.current()
    if HOME_VARIABLE not in os.environ:
        logging.getLogger(__name__).warning(
            f"{HOME_VARIABLE} is not set, so what was made before is not in this UI's history; stop it and run: "
            f"arc-pipeline dev, or {HOME_VARIABLE}={project.data / 'dagster_home'} dagster dev"
        )
    return build_definitions(project, worked_on(project))


def build_definitions(project: Project, only: Collection[str] | None = None) -> dg.Definitions:
    """All definitions of a project; jobs and sensors that look at what is missing or stale get those of the assets.

    `only`: the experiments that are partitions; a refresh can make the others as well, if they are selected.
    """
    partitions = Partitions(project, only)
    graph = cache(lambda: assets.resolve_asset_graph())
    assets = dg.Definitions(
        assets=presented(partitions, verdict(project, graph)),
        resources={"workspace": Workspace(directory=str(project.data))},
        # one process a run: when the run's worker dies, its step dies with it
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    set_guard(project, refusal(project, graph))

    def look(instance: dg.DagsterInstance) -> Scanner:
        return Scanner(project, graph(), instance)

    whole = (lambda: assets) if only is None else cache(lambda: build_definitions(project))
    training_job = queue.checkpoint_job(partitions)
    upkeep = dg.Definitions(
        jobs=[automation.refresh_job(project, whole), staleness_job(look), training_job],
        schedules=[queue.training_queue(project, assets, training_job)],
        sensors=[automation.training_proposals(project, assets), queue.dead_runs_sensor, staleness_sensor(look)],
    )
    return dg.Definitions.merge(assets, upkeep)


def presented(partitions: Partitions, verdict: Verdict) -> list[dg.AssetsDefinition]:
    """All assets, with what the UI says about them beside their own words: who owns them."""

    def owned(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(owners=[OWNERS.get(spec.group_name or "", OTHER_OWNER)])

    declared = {value for stage in STAGES for value in vars(stage).values() if isinstance(value, DeclaredAsset)}
    assets = [asset.build(partitions, verdict) for asset in sorted(declared, key=lambda asset: asset.name)]
    return [asset.map_asset_specs(owned) for asset in assets]
