"""The sheet of augmented examples: the bug of the seed is seen, and so are the augmentations."""

from typing import Any

import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, Recipe, RecipeDrawer
from arc_pipeline.arc.rendering.prompt import GENERATE, SOLVE
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.report.grids.augmented import (
    PAGE_CM,
    augmented_board,
    example_row,
    on_a_page,
    rows_of_task,
    telling_task,
)
from arc_pipeline.report.grids.drawing import board_height, fitting_cell


def drawn(task: Task, target: str, n: int = 200) -> list[dict[str, Any]]:
    config = AugmentationConfig(geometric=False, colours=False, target=target)
    drawer = RecipeDrawer([TrainingData(dataset="d")], {"d": [task]}, config, 7)
    return [{"example": example, **drawer.draw(example)[0].row(task)} for example in range(n)]


@pytest.mark.parametrize(("target", "often"), [("any", True), ("legacy-swap", False)])
def test_the_bug_of_the_seed_is_seen(one_test: Task, target: str, often: bool) -> None:
    board = augmented_board(one_test, "d", drawn(one_test, target), "e", shown=50)
    pairs, *examples = board.rows
    assert pairs.heading == "all pairs (n = 200 examples)"
    assert [stack.label.splitlines()[0] for stack in pairs.stacks] == ["train 0", "train 1", "train 2", "test 0"]
    assert [stack.frame.dashed for stack in pairs.stacks if stack.frame] == [False, False, False, True]
    assert pairs.stacks[-1].label.endswith("never target") != often
    assert pairs.stacks[-1].bold != often
    targets = [row.stacks[-1] for row in examples]
    assert all(stack.frame and stack.frame.filled and stack.label.startswith("target: ") for stack in targets)
    assert any(stack.frame and stack.frame.dashed for stack in targets) == often
    shown = [stack for row in examples for stack in row.stacks[:-1]]
    assert not any(stack.frame and stack.frame.filled for stack in shown)


def test_an_example_shows_what_its_recipe_renders(one_test: Task) -> None:
    augmentation = Augmentation("rotate_90", (0, 2, 1, *range(3, 10)))
    recipe = Recipe("d", "one_test", SOLVE, augmentation, (2, 0), 3)
    row = example_row({"example": 5, **recipe.row(one_test)}, one_test)
    assert row.heading == "example 5, rotate_90, colours permuted"
    assert [stack.label for stack in row.stacks] == ["train 2", "train 0", "target: test 0"]
    assert row.stacks[2].panels[1].grid == augmentation.apply(one_test.test[0].output)
    generate = Recipe("d", "one_test", GENERATE, Augmentation(), (2, 0), 1)
    row = example_row({"example": 6, **generate.row(one_test)}, one_test)
    assert row.heading == "example 6, inputs only"
    assert [len(stack.panels) for stack in row.stacks] == [1, 1, 1]


def test_a_page_has_room_for_the_largest_grids() -> None:
    large = Pair(((1,) * 30,) * 30, ((2,) * 30,) * 30)
    task = Task("large", (large,) * 4, (large,))
    board = augmented_board(task, "d", drawn(task, "any", 20))
    page = on_a_page(board)
    assert 2 <= len(page.rows) < len(board.rows)
    assert board_height(page, fitting_cell(page)) <= PAGE_CM
    small = Task("small", (Pair(((1,),), ((2,),)),) * 3, ())
    assert on_a_page(augmented_board(small, "d", drawn(small, "any", 20))).rows[-1].heading == "example 3"


def test_the_task_that_tells_most(one_test: Task, two_tests: Task, no_test: Task) -> None:
    assert telling_task({"a": [no_test], "b": [two_tests, one_test]}) == ("b", two_tests)
    assert telling_task({"a": [no_test]}) == ("a", no_test)
    seeds = Task("0b148d64", one_test.train, one_test.test)
    assert telling_task({"a": [one_test, seeds]}) == ("a", seeds)


def test_rows_are_those_of_the_task(one_test: Task) -> None:
    rows = [row | {"attempt": 0, "n_tokens": 1, "token_hash": 1} for row in drawn(one_test, "any", 3)]
    table = pa.Table.from_pylist([*rows, rows[0] | {"task_id": "other"}], schema=RECIPE_SCHEMA)
    assert [row["example"] for row in rows_of_task(table, "d", "one_test")] == [0, 1, 2]
