"""Recipes are drawn by the declared rules, each as a function of its own number, and tables keep them exactly."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.augmentation.recipes import (
    MAX_ATTEMPTS,
    RECIPE_SCHEMA,
    Recipe,
    RecipeDrawer,
    choose_pairs,
    draw_examples,
)
from arc_pipeline.arc.experiment import AugmentationConfig, TrainingData
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import GENERATE, SOLVE
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import ArcPipelineError

TRAIN = [TrainingData(dataset="written"), TrainingData(dataset="generated", prompt=GENERATE)]
GRID = ((1,),)
task_strategy = st.tuples(st.integers(1, 6), st.integers(0, 3)).filter(lambda sizes: sum(sizes) > 1)
made_tasks = task_strategy.map(lambda sizes: Task("t", (Pair(GRID, GRID),) * sizes[0], (Pair(GRID, GRID),) * sizes[1]))
seeds = st.integers(0, 2**32)


def chosen(task: Task, config: AugmentationConfig, n: int) -> list[tuple[tuple[int, ...], int]]:
    rng = np.random.default_rng(0)
    return [choose_pairs(rng, task, config) for _ in range(n)]


def even(values: Iterable[object], n_kinds: int) -> bool:
    """Whether all kinds occur, each within 5 standard deviations of its share."""
    counts = Counter(values)
    share = sum(counts.values()) / n_kinds
    return len(counts) == n_kinds and all(abs(count - share) < 5 * share**0.5 for count in counts.values())


# --- each example is a function of its own number


def test_an_example_does_not_depend_on_what_was_drawn_before(tasks: dict[str, list[Task]]) -> None:
    drawer = RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=7)
    in_order = [drawer.draw(example) for example in range(50)]
    assert [drawer.draw(example) for example in reversed(range(50))] == in_order[::-1]
    assert RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=7).draw(49) == in_order[49]


def test_examples_attempts_and_seeds_differ(tasks: dict[str, list[Task]]) -> None:
    drawers = [RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed) for seed in (7, 8)]
    recipes = [drawer.draw(example, attempt)[0] for drawer in drawers for example in range(20) for attempt in range(3)]
    assert len(set(recipes)) == len(recipes)


def test_a_far_example_costs_as_little_as_the_first(tasks: dict[str, list[Task]]) -> None:
    recipe, task = RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=2**63 - 1).draw(10**12, attempt=199)
    assert recipe.task_id == task.task_id


# --- which task


def test_a_dataset_has_the_weight_that_it_declares(tasks: dict[str, list[Task]]) -> None:
    train = [TrainingData(dataset="written", weight=2), TrainingData(dataset="generated", weight=2)]
    drawer = RecipeDrawer(train, tasks, AugmentationConfig(), seed=7)
    counts = Counter(drawer.draw(example)[0].task_id for example in range(4000))
    assert counts["no_test"] == pytest.approx(2000, abs=160)
    assert counts["one_test"] == pytest.approx(1000, abs=140)


def test_a_dataset_is_drawn_with_each_of_its_prompts(tasks: dict[str, list[Task]]) -> None:
    train = [TrainingData(dataset="written"), TrainingData(dataset="written", prompt=GENERATE)]
    drawer = RecipeDrawer(train, tasks, AugmentationConfig(), seed=7)
    assert even((drawer.draw(example)[0].prompt for example in range(1000)), 2)


@pytest.mark.parametrize(
    ("target", "without"), [("test-only", {"no_test"}), ("any", {"lone"}), ("legacy-swap", {"lone"})]
)
def test_tasks_without_the_pairs_that_are_needed_are_left_out(
    tasks: dict[str, list[Task]], target: str, without: set[str]
) -> None:
    lone = Task("lone", tasks["generated"][0].train[:1], ())
    drawer = RecipeDrawer(TRAIN, tasks | {"generated": [*tasks["generated"], lone]}, config_of(target), seed=7)
    drawn = {drawer.draw(example)[0].task_id for example in range(200)}
    assert drawn.isdisjoint({*without, "lone"})
    assert {"one_test", "two_tests"} <= drawn


def config_of(target: str) -> AugmentationConfig:
    return AugmentationConfig.model_validate({"target": target})


def test_no_usable_task_is_an_error_that_names_the_rule(tasks: dict[str, list[Task]]) -> None:
    with pytest.raises(ArcPipelineError, match="no task of generated has the pairs that target: test-only needs"):
        RecipeDrawer(TRAIN[1:], tasks, config_of("test-only"), seed=7)


# --- which pairs


@given(made_tasks, seeds, st.sampled_from(["any", "test-only", "legacy-swap"]), st.none() | st.integers(1, 3))
def test_pairs_are_shown_once_and_the_target_never(task: Task, seed: int, target: str, limit: int | None) -> None:
    config = AugmentationConfig.model_validate({"target": target, "max_demonstrations": limit})
    shown, asked = choose_pairs(np.random.default_rng(seed), task, config)
    assert asked not in shown
    assert len(set(shown)) == len(shown)
    assert {*shown, asked} <= set(range(len(task.pairs)))
    # as many as a prediction shows, as far as there are pairs; generated tasks show at most four
    n_prediction = min(limit or (len(task.train) if task.test else 4), len(task.train))
    assert len(shown) == min(n_prediction, len(task.pairs) - 1)


def test_any_pair_is_the_target_alike_and_any_other_is_shown(two_tests: Task, no_test: Task) -> None:
    ordered, two = AugmentationConfig(demonstration_order=False), AugmentationConfig(max_demonstrations=2)
    for task, n_shown, config in (
        *((two_tests, 3, AugmentationConfig()), (two_tests, 3, ordered), (two_tests, 2, two)),
        *((no_test, 4, AugmentationConfig()), (no_test, 4, ordered), (no_test, 2, two)),
    ):
        draws = chosen(task, config, 3000)
        n_pairs = len(task.pairs)
        assert even((target for _, target in draws), n_pairs)
        assert even((index for shown, _ in draws for index in shown), n_pairs)
        assert {len(shown) for shown, _ in draws} == {n_shown}


def test_only_test_pairs_are_targets_of_test_only(two_tests: Task) -> None:
    draws = chosen(two_tests, config_of("test-only"), 1000)
    assert even((target for _, target in draws), 2)
    assert {target for _, target in draws} == {3, 4}
    assert all(sorted(shown) == [0, 1, 2] for shown, _ in draws)


def test_the_legacy_swap_always_shows_a_test_pair_and_never_asks_one(two_tests: Task) -> None:
    draws = chosen(two_tests, config_of("legacy-swap"), 1000)
    assert even((target for _, target in draws), 3)
    for shown, target in draws:
        assert target < 3
        assert sum(index >= 3 for index in shown) == 1
        assert len(shown) == 3
    assert even((max(shown) for shown, _ in draws), 2)


@pytest.mark.parametrize("target", ["any", "legacy-swap"])
def test_tasks_without_test_pairs_ask_any_pair(no_test: Task, target: str) -> None:
    assert even((asked for _, asked in chosen(no_test, config_of(target), 1400)), 7)


def test_demonstrations_keep_their_order_unless_it_is_augmented(two_tests: Task) -> None:
    fixed = chosen(two_tests, AugmentationConfig(demonstration_order=False), 200)
    assert all(list(shown) == sorted(shown) for shown, _ in fixed)
    shuffled = chosen(two_tests, AugmentationConfig(target="test-only"), 1200)
    assert even((shown for shown, _ in shuffled), 6)


def test_augmentations_are_drawn_only_where_declared(tasks: dict[str, list[Task]]) -> None:
    for geometric, colours in ((True, False), (False, True), (False, False)):
        config = AugmentationConfig(geometric=geometric, colours=colours)
        drawer = RecipeDrawer(TRAIN, tasks, config, seed=7)
        drawn = [drawer.draw(example)[0].augmentation for example in range(100)]
        assert len({each.transform for each in drawn}) == (8 if geometric else 1)
        assert (len({each.colour_map for each in drawn}) > 90) == colours


# --- text and table


def test_a_recipe_renders_its_task(two_tests: Task) -> None:
    swap = Augmentation("flip_columns", (0, 2, 1, *range(3, 10)))
    recipe = Recipe("written", "two_tests", SOLVE, swap, demonstrations=(4, 0), target=1)
    prompt = recipe.render(two_tests, parse_encoder("MinimalGridEncoder()"))
    parts = prompt.text.split("\n\n")[1:]
    assert parts == ["Input:\n099", "Output:\n990", "Input:\n122", "Output:\n221", "Input:\n433", "Output:\n"]
    assert prompt.answer == "334"


@pytest.mark.parametrize("target", ["any", "test-only", "legacy-swap"])
def test_a_table_keeps_recipes_exactly(tasks: dict[str, list[Task]], target: str) -> None:
    drawer = RecipeDrawer(TRAIN, tasks, config_of(target), seed=7)
    drawn = [drawer.draw(example) for example in range(200)]
    rows = [{"example": index, "attempt": 0, **recipe.row(task)} for index, (recipe, task) in enumerate(drawn)]
    table = pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA)
    assert [Recipe.from_row(row) for row in table.to_pylist()] == [recipe for recipe, _ in drawn]
    assert table["target_is_test"].to_pylist() == [task.is_test(recipe.target) for recipe, task in drawn]


# --- examples that are too long


def length_of_target(recipe: Recipe, task: Task) -> tuple[int, int]:
    """A made-up measure: pair p is 10 (p + 1) tokens long."""
    return 10 * (recipe.target + 1), hash(recipe)


def test_overlong_examples_are_drawn_again_and_entered_in_the_ledger(tasks: dict[str, list[Task]]) -> None:
    drawer = RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=7)
    found = list(draw_examples(drawer, 100, 30, length_of_target))
    accepted = [row for fits, row in found if fits]
    ledger = [row for fits, row in found if not fits]
    assert [row["example"] for row in accepted] == list(range(100))
    assert all(row["n_tokens"] <= 30 for row in accepted)
    assert ledger
    assert all(row["n_tokens"] > 30 for row in ledger)
    for row in accepted + ledger:
        recipe, task = drawer.draw(row["example"], row["attempt"])
        assert Recipe.from_row(row) == recipe
        assert (row["n_tokens"], row["token_hash"]) == length_of_target(recipe, task)
    # every attempt before the accepted one is in the ledger
    dropped = Counter(row["example"] for row in ledger)
    assert all(row["attempt"] == dropped[row["example"]] for row in accepted)


def test_a_length_that_all_examples_have_drops_none(tasks: dict[str, list[Task]]) -> None:
    drawer = RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=7)
    assert all(fits and row["attempt"] == 0 for fits, row in draw_examples(drawer, 50, 70, length_of_target))


def test_more_steps_keep_the_first_examples(tasks: dict[str, list[Task]]) -> None:
    drawer = RecipeDrawer(TRAIN, tasks, AugmentationConfig(), seed=7)
    short = list(draw_examples(drawer, 10, 30, length_of_target))
    assert list(islice(draw_examples(drawer, 20, 30, length_of_target), len(short))) == short


def test_a_length_that_no_example_has_is_an_error_that_names_a_task(tasks: dict[str, list[Task]]) -> None:
    drawer = RecipeDrawer(TRAIN[:1], tasks, AugmentationConfig(), seed=7)
    with pytest.raises(
        ArcPipelineError, match=r"example 0: 200 draws .* max_seq_len 5 .*task (one_test|two_tests), \d+ to"
    ):
        list(draw_examples(drawer, 1, 5, length_of_target))
    assert MAX_ATTEMPTS == 200
