"""The trackers of `report_to`, TensorBoard and wandb. They change nothing of the training."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.uncounted import uncounted

uncounted("shows a training elsewhere too")

if TYPE_CHECKING:
    from transformers import TrainerCallback

PROJECT = "arc_pipeline"


def refuse_missing(experiment: Experiment) -> None:
    """ArcPipelineError if a package that `report_to` names is not installed."""
    for name in experiment.report_to:
        if find_spec(name) is None:
            raise ArcPipelineError(
                f"experiment {experiment.name}: report_to names {name}, which is not installed; "
                f"pip install 'arc-pipeline[{name}]', or leave it out of report_to"
            )


def trackers(experiment: Experiment, directory: Path, run: str) -> "list[TrainerCallback]":
    """The callbacks that write below `directory`; a training that resumes has the same `run`, and so the same curve.

    wandb writes offline unless the user's WANDB_MODE says otherwise; `wandb sync` sends it later.
    """
    made = {"tensorboard": _tensorboard, "wandb": _wandb}
    return [made[name](directory / name, experiment.name, run) for name in experiment.report_to]


def _tensorboard(directory: Path, name: str, run: str) -> "TrainerCallback":
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    class Events(TensorBoardCallback):  # type: ignore[misc]
        """Hides what an interrupted training wrote after the state from which it resumes."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                self.tb_writer = SummaryWriter(str(directory / name / run), purge_step=state.global_step + 1)
            super().on_train_begin(args, state, control, **kwargs)

    return Events()


def _wandb(directory: Path, name: str, run: str) -> "TrainerCallback":
    from transformers.integrations import WandbCallback

    directory.mkdir(parents=True, exist_ok=True)
    settings = {"MODE": "offline", "PROJECT": PROJECT, "NAME": name, "RUN_ID": f"{name}-{run}", "SILENT": "true"}
    os.environ["WANDB_DIR"] = str(directory)
    for key, value in settings.items():
        os.environ.setdefault(f"WANDB_{key}", value)
    return WandbCallback()
