"""The augmented examples of a task: which pairs are shown, which one is the target, and how often. Knows recipes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.prediction.prompt_samples import SAMPLE_TASKS
from arc_pipeline.arc.rendering.prompt import GENERATE
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.report.grids.colours import TEST, TRAIN
from arc_pipeline.report.grids.drawing import board_height, fitting_cell
from arc_pipeline.report.grids.grid_layout import Board, Frame, Panel, Row, Stack, pair_stack

SHOWN: Final = 4
PAGE_CM: Final = 20.0


def telling_task(tasks_by_dataset: Mapping[str, Sequence[Task]]) -> tuple[str, Task]:
    """(dataset, task): one of the three sample tasks if it is there, else the first with a test pair and others."""
    telling = next(_tasks_of(tasks_by_dataset), None)
    for dataset, task in _tasks_of(tasks_by_dataset):
        if task.task_id in SAMPLE_TASKS:
            return dataset, task
    return telling or next((name, task) for name, tasks in tasks_by_dataset.items() for task in tasks)


def _tasks_of(tasks_by_dataset: Mapping[str, Sequence[Task]]) -> Iterator[tuple[str, Task]]:
    """Those with a test pair and others, one after another: large corpora are not kept as a whole."""
    every = ((dataset, task) for dataset, tasks in tasks_by_dataset.items() for task in tasks)
    return ((dataset, task) for dataset, task in every if task.test and len(task.pairs) > 1)


def rows_of_task(recipes: pa.Table, dataset: str, task_id: str) -> list[dict[str, Any]]:
    """The recipes of a task, in the order of the training."""
    rows: list[dict[str, Any]] = recipes.filter(
        (pc.field("dataset") == dataset) & (pc.field("task_id") == task_id)
    ).to_pylist()
    return rows


def augmented_board(
    task: Task, dataset: str, rows: Sequence[dict[str, Any]], source: str = "", shown: int = SHOWN
) -> Board:
    """How often each pair of the task is the target in rows of its recipes, then the first of these examples.

    Test pairs have a dashed frame, and the target a thick one with a filled ground.
    """
    targets = Counter(row["target"] for row in rows)
    pairs = tuple(target_count(task, index, targets[index]) for index in range(len(task.pairs)))
    title = f"task {task.task_id} of {dataset}{f': {source}' * bool(source)}"
    examples = (example_row(row, task) for row in rows[:shown])
    return Board(title, (Row(pairs, f"all pairs (n = {len(rows)} examples)"), *examples))


def on_a_page(board: Board) -> Board:
    """The board with as many of its examples as fit on a page, at least one."""
    boards = [replace(board, rows=board.rows[:number]) for number in range(len(board.rows), 1, -1)] or [board]
    return next((part for part in boards if board_height(part, fitting_cell(part)) <= PAGE_CM), boards[-1])


def target_count(task: Task, index: int, times: int) -> Stack:
    """A pair with how often it is the target."""
    often = f"target {times}x" if times else "never target"
    return Stack(_panels(task.pairs[index]), f"{pair_title(task, index)}\n{often}", _frame(task, index), bold=not times)


def example_row(row: dict[str, Any], task: Task) -> Row:
    """One example: its demonstrations in their order, then its target."""
    recipe = Recipe.from_row(row)
    shown = (_augmented(recipe, task, index, pair_title(task, index)) for index in recipe.demonstrations)
    target = _augmented(recipe, task, recipe.target, f"target: {pair_title(task, recipe.target)}", target=True)
    return Row((*shown, target), f"example {row['example']}{changes(recipe)}")


def _augmented(recipe: Recipe, task: Task, index: int, label: str, target: bool = False) -> Stack:
    apply, pair = recipe.augmentation.apply, task.pairs[index]
    grids = (apply(pair.input),) if recipe.prompt == GENERATE else (apply(pair.input), apply(pair.output))
    return Stack(tuple(map(Panel, grids)), label, _frame(task, index, filled=target), bold=target)


def pair_title(task: Task, index: int) -> str:
    """The pair as tables call it, by its index in its split."""
    return f"test {index - len(task.train)}" if task.is_test(index) else f"train {index}"


def changes(recipe: Recipe) -> str:
    """What the augmentation did to the grids."""
    colours = "colours permuted" if recipe.augmentation.colour_map != IDENTITY_COLOURS else ""
    transform = recipe.augmentation.transform if recipe.augmentation.transform != "identity" else ""
    inputs = "inputs only" if recipe.prompt == GENERATE else ""
    return "".join(f", {word}" for word in (transform, colours, inputs) if word)


def _panels(pair: Pair) -> tuple[Panel, ...]:
    return pair_stack(pair, "").panels


def _frame(task: Task, index: int, filled: bool = False) -> Frame:
    test = task.is_test(index)
    return Frame(TEST if test else TRAIN, dashed=test, filled=filled)
