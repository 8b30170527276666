"""The code location: loads the assets and the automation of `defs/` and adds only what concerns all of them."""

import dagster as dg

from arc_pipeline.defs import (
    augmentation,
    automatic,
    configs,
    evaluation,
    inspection,
    prediction,
    queue,
    tasks,
    training,
)
from arc_pipeline.defs.progress import progress_logger
from arc_pipeline.defs.workspace import Workspace

STAGES = (tasks, configs, augmentation, training, prediction, evaluation, inspection)


def everything() -> dg.Definitions:
    """All definitions; jobs and sensors that look at what is missing or stale get those of the assets."""
    assets = dg.Definitions(
        assets=dg.load_assets_from_modules(STAGES),
        resources={"workspace": Workspace()},
        # one process a run: when the run's worker dies, its step dies with it
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    upkeep = dg.Definitions(
        jobs=[automatic.refresh_job(assets), queue.training_job],
        schedules=[queue.training_queue(assets)],
        sensors=[automatic.training_proposals(assets), queue.dead_runs_sensor],
    )
    return dg.Definitions.merge(assets, upkeep)


defs = everything()
