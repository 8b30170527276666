"""The code location: builds the assets and the upkeep of a project, and adds only what concerns all of them."""

import logging
import os

import dagster as dg

from arc_pipeline.defs.assets import (
    augmentation,
    configs,
    curves,
    evaluation,
    inspection,
    prediction,
    tables,
    tasks,
    training,
)
from arc_pipeline.defs.declare import DeclaredAsset
from arc_pipeline.defs.instance import HOME_VARIABLE
from arc_pipeline.defs.partitions import Partitions
from arc_pipeline.defs.policy import OTHER_OWNER, OWNERS
from arc_pipeline.defs.staleness.refusal import refusal
from arc_pipeline.defs.upkeep import automation, queue
from arc_pipeline.defs.upkeep.progress import progress_logger
from arc_pipeline.defs.workspace import Workspace, set_guard
from arc_pipeline.project import Project

STAGES = (tasks, configs, augmentation, training, prediction, evaluation, inspection, curves, tables)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the definitions of the project as its files are now."""
    project = Project.current()
    if HOME_VARIABLE not in os.environ:
        logging.getLogger(__name__).warning(
            f"{HOME_VARIABLE} is not set, so what was made before is not in this UI's history; stop it and run: "
            f"arc-pipeline dev, or {HOME_VARIABLE}={project.data / 'dagster_home'} dagster dev"
        )
    return build_definitions(project)


def build_definitions(project: Project) -> dg.Definitions:
    """All definitions of a project; jobs and sensors that look at what is missing or stale get those of the assets."""
    partitions = Partitions(project)
    assets = dg.Definitions(
        assets=presented(partitions),
        resources={"workspace": Workspace(directory=str(project.data))},
        # one process a run: when the run's worker dies, its step dies with it
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    set_guard(project, refusal(project, assets.resolve_asset_graph))
    training_job = queue.checkpoint_job(partitions)
    upkeep = dg.Definitions(
        jobs=[automation.refresh_job(project, assets), training_job],
        schedules=[queue.training_queue(project, assets, training_job)],
        sensors=[automation.training_proposals(project, assets), queue.dead_runs_sensor],
    )
    return dg.Definitions.merge(assets, upkeep)


def presented(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """All assets, with what the UI says about them beside their own words: who owns them, where their code is."""

    def owned(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(owners=[OWNERS.get(spec.group_name or "", OTHER_OWNER)])

    declared = {value for stage in STAGES for value in vars(stage).values() if isinstance(value, DeclaredAsset)}
    assets = [asset.build(partitions) for asset in sorted(declared, key=lambda asset: asset.name)]
    referenced = dg.with_source_code_references(assets)
    return [asset.map_asset_specs(owned) for asset in referenced if isinstance(asset, dg.AssetsDefinition)]
