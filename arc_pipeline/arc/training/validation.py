"""Validation during training: which examples it is measured on, and whether its loss follows the training's.

Knows rows of a training log, not how they were computed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS, Augmentation
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.augmentation.verdict import Verdict
from arc_pipeline.arc.settings import TrainingData
from arc_pipeline.arc.tasks.task import Task

IDENTITY = Augmentation("identity", IDENTITY_COLOURS)
CLEARLY_ABOVE = 1.1
FEWEST_EVALUATIONS = 3
SMOOTHED_ROWS = 3


def validation_recipes(
    validation: Sequence[TrainingData], tasks: Mapping[str, Sequence[Task]], max_demonstrations: int | None
) -> Iterator[tuple[Recipe, Task]]:
    """Every test pair as the target after its task's train pairs, nothing augmented: the same examples every time."""
    for source in validation:
        for task in tasks[source.dataset]:
            shown = tuple(range(len(task.train)))[:max_demonstrations]
            for target in range(len(task.train), len(task.pairs)):
                yield Recipe(source.dataset, task.task_id, source.prompt, IDENTITY, shown, target), task


def validation_loss_follows_training(log: Sequence[Mapping[str, Any]]) -> Verdict:
    """Fails if validation loss ends 10 % or more above its minimum although training loss still fell after that step.

    Training loss at a step is the mean of three logged rows that end there; fewer than three evaluations say nothing.
    Fails at once if it is no number.
    """
    evaluated = [row for row in log if row.get("eval_loss") is not None]
    if lost := [row for row in evaluated if not math.isfinite(row["eval_loss"])]:
        return Verdict(False, f"validation loss is {lost[0]['eval_loss']} at step {lost[0]['step']}")
    if len(evaluated) < FEWEST_EVALUATIONS:
        return Verdict(True, f"{len(evaluated)} evaluations are too few to tell")
    best, last = min(evaluated, key=lambda row: row["eval_loss"]), evaluated[-1]
    before, after = _training_loss(log, best["step"]), _training_loss(log, last["step"])
    words = (
        f"validation loss is {last['eval_loss']:.4g} at step {last['step']}, its minimum was {best['eval_loss']:.4g} "
        f"at step {best['step']}; training loss went from {before:.4g} to {after:.4g} since"
    )
    diverged = last["eval_loss"] >= CLEARLY_ABOVE * best["eval_loss"] and after < before
    return Verdict(not diverged, words)


def _training_loss(log: Sequence[Mapping[str, Any]], step: int) -> float:
    losses = [row["loss"] for row in log if row.get("loss") is not None and row["step"] <= step]
    recent = losses[-SMOOTHED_ROWS:]
    return sum(recent) / len(recent) if recent else float("inf")
