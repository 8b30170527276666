"""Weights kept on the way of a training, so that one training gives a curve. Knows steps, not what is asked of them."""

import copy
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from arc_pipeline.model.training.states import whole_or_nothing
from arc_pipeline.model.weights.checkpoint import MILESTONES, save_checkpoint


class KeepWeights(TrainerCallback):
    """Saves the whole model after certain steps, as a checkpoint that stands alone; also again after a resume."""

    def __init__(self, steps: Collection[int], work: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        self._steps, self._place, self._tokenizer = frozenset(steps), work / MILESTONES, tokenizer

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step in self._steps and state.is_world_process_zero:
            directory = self._place / str(state.global_step)
            shutil.rmtree(directory, ignore_errors=True)
            with whole_or_nothing(directory):
                # merging an adapter would change the model that is being trained
                kept = copy.deepcopy(model) if hasattr(model, "merge_and_unload") else model
                save_checkpoint(kept, self._tokenizer, directory)


def deliver(work: Path, output: Path) -> None:
    """Puts the kept weights into the finished checkpoint. They stay in the work directory too, for whoever is killed
    before the checkpoint is committed resumes after the steps that they are of."""
    if (work / MILESTONES).is_dir():
        shutil.copytree(work / MILESTONES, output / MILESTONES, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
