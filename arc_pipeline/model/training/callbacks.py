"""What happens beside the steps of a training: rows of its log, their times, refusals, weights that are kept.

Knows what transformers' Trainer tells its callbacks. None of them changes a weight.
"""

import copy
import math
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from arc_pipeline.arc.training.validation import validation_loss_follows_training
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.interrupt import SAVED_AND_ENDED, must_end
from arc_pipeline.model.training.states import whole_or_nothing
from arc_pipeline.model.training.throughput import Meter
from arc_pipeline.model.weights.checkpoint import MILESTONES, log_row, log_rows, save_checkpoint
from arc_pipeline.uncounted import uncounted

# takes one row of the log, or a `message`
Progress = Callable[[dict[str, Any]], None]


class LogAtStates(TrainerCallback):
    """Logs whenever a state is saved or validation is measured, so that no mean of losses straddles either."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        state.compute_steps(args, state.max_steps)  # how often now, not when the state that is resumed was saved

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_log |= control.should_save or control.should_evaluate or state.global_step == state.max_steps


class Stability(TrainerCallback):
    """Refuses to go on where the training is lost, and warns at once if validation loss leaves the training's.

    A row is logged before a state is saved, so what is saved is finite.
    """

    def __init__(self, report: Progress) -> None:
        self._report = report

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        refuse_infinite(logs or {}, state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        verdict = validation_loss_follows_training(log_rows(state.log_history, state.max_steps))
        if not verdict.passed:
            self._report({"message": verdict.description})


def refuse_infinite(logs: Mapping[str, float], step: int) -> None:
    """ArcPipelineError if the loss or the norm of its gradient is not finite."""
    for name in ("loss", "grad_norm"):
        if not math.isfinite(logs.get(name, 0.0)):
            raise ArcPipelineError(
                f"{name} is {logs[name]} at step {step}, so the training is lost; "
                "lower learning_rate, or set precision: fp32, and train again (the states before it are kept)"
            )


@uncounted("tells how long a training takes")
class Speed(TrainerCallback):
    """Adds `seconds`, `seconds_left` and `tokens_per_second` to each row with a training loss."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        seconds = [row["seconds"] for row in state.log_history if "seconds" in row]
        self._meter.start(state.global_step, seconds[-1] if seconds else 0.0)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "loss" in logs:
            times = self._meter.read(state.global_step, state.max_steps)
            logs.update(times)  # for the trackers
            state.log_history[-1].update(times)


@uncounted("a training that resumes ends with the same bits")
class SaveBeforeTheEnd(TrainerCallback):
    """Saves a state after the step in which the program was told to end, and ends it."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if must_end() and state.global_step < state.max_steps:
            control.should_log = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if must_end():
            raise SystemExit(SAVED_AND_ENDED)


@uncounted("tells how far a training is")
class ReportRows(SaveBeforeTheEnd):
    """Reports each row of training or validation from the main process."""

    def __init__(self, report: Progress) -> None:
        self._report = report

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        row = log_row(state.log_history[-1], state.max_steps)
        if row and state.is_world_process_zero:
            self._report(row)


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


def deliver_kept_weights(work: Path, output: Path) -> None:
    """Puts the kept weights into the finished checkpoint. They stay in the work directory too: a training that is
    killed before the checkpoint is committed resumes after the steps that they are of."""
    if (work / MILESTONES).is_dir():
        shutil.copytree(work / MILESTONES, output / MILESTONES, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
