"""The code location: loads the assets and the automation of `defs/` and adds only what concerns all of them."""

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
from arc_pipeline.defs.upkeep import automation, queue
from arc_pipeline.defs.upkeep.progress import progress_logger
from arc_pipeline.defs.workspace import Workspace

STAGES = (tasks, configs, augmentation, training, prediction, evaluation, inspection, curves, tables)
OWNERS = {"tasks": "team:data", "augmentation": "team:data"}


def presented() -> list[dg.AssetsDefinition]:
    """All assets, with what the UI says about them beside their own words: who owns them, where their code is."""

    def owned(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(owners=[OWNERS.get(spec.group_name or "", "team:models")])

    assets = dg.with_source_code_references(dg.load_assets_from_modules(STAGES))
    return [each.map_asset_specs(owned) for each in assets if isinstance(each, dg.AssetsDefinition)]


def everything() -> dg.Definitions:
    """All definitions; jobs and sensors that look at what is missing or stale get those of the assets."""
    assets = dg.Definitions(
        assets=presented(),
        resources={"workspace": Workspace()},
        # one process a run: when the run's worker dies, its step dies with it
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    upkeep = dg.Definitions(
        jobs=[automation.refresh_job(assets), queue.training_job],
        schedules=[queue.training_queue(assets)],
        sensors=[automation.training_proposals(assets), queue.dead_runs_sensor],
    )
    return dg.Definitions.merge(assets, upkeep)


defs = everything()
