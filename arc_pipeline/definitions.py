"""The code location: loads the assets of `defs/` and adds only what concerns all of them."""

import dagster as dg

from arc_pipeline.defs import augmentation, automatic, configs, evaluation, prediction, tasks, training
from arc_pipeline.defs.progress import progress_logger
from arc_pipeline.defs.workspace import Workspace

STAGES = (tasks, configs, augmentation, training, prediction, evaluation)

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(STAGES),
    jobs=[automatic.refresh_job],
    sensors=[automatic.training_proposals_sensor],
    resources={"workspace": Workspace()},
    # one process a run: when the run's worker dies, its step dies with it
    executor=dg.in_process_executor,
    loggers={"console": dg.colored_console_logger, "progress": progress_logger},
)
