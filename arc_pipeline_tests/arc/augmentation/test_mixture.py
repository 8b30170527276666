"""Weights say how often each dataset is drawn, whatever its number of tasks; a mixture that differs is caught."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.mixture import datasets_are_mixed_by_weight, declared_shares
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, RecipeDrawer
from arc_pipeline.arc.prediction.prompt import GENERATE, SOLVE
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Task

ANY = AugmentationConfig()


def source(dataset: str, weight: float | None = None, prompt: str = SOLVE) -> TrainingData:
    return TrainingData.model_validate({"dataset": dataset, "weight": weight, "prompt": prompt})


def draws(train: Sequence[TrainingData], tasks: dict[str, list[Task]], n: int, seed: int = 7) -> pa.Table:
    drawer = RecipeDrawer(train, tasks, ANY, seed)
    rows = [recipe.row(task) for recipe, task in map(drawer.draw, range(n))]
    return pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA)


def test_weights_are_parts_of_their_sum(tasks: dict[str, list[Task]]) -> None:
    weighted = [source("written", 1), source("generated", 3)]
    assert declared_shares(weighted, tasks, ANY) == {("written", SOLVE): 0.25, ("generated", SOLVE): 0.75}
    # two tasks and one: without weights all are alike
    alike = [source("written"), source("generated")]
    assert declared_shares(alike, tasks, ANY) == pytest.approx({("written", SOLVE): 2 / 3, ("generated", SOLVE): 1 / 3})
    prompts = [source("written", 1), source("written", 1, GENERATE), source("generated", 2)]
    assert declared_shares(prompts, tasks, ANY)["written", GENERATE] == 0.25


def test_a_dataset_without_usable_tasks_has_no_share(tasks: dict[str, list[Task]]) -> None:
    only_tests = AugmentationConfig(target="test-only")
    assert declared_shares([source("written", 1), source("generated", 3)], tasks, only_tests) == {("written", SOLVE): 1}


@pytest.mark.parametrize("weights", [(None, None), (1, 3), (0.001, 1), (5, 5)])
@pytest.mark.parametrize("n", [1, 30, 2000])
def test_what_is_drawn_by_the_weights_passes(tasks: dict[str, list[Task]], weights: tuple, n: int) -> None:
    train = [source(dataset, weight) for dataset, weight in zip(tasks, weights, strict=True)]
    for seed in range(20):
        verdict = datasets_are_mixed_by_weight(draws(train, tasks, n, seed), declared_shares(train, tasks, ANY))
        assert verdict.passed, verdict.description


def test_other_weights_are_caught_by_name(tasks: dict[str, list[Task]]) -> None:
    drawn = draws([source("written"), source("generated")], tasks, 1000)
    verdict = datasets_are_mixed_by_weight(
        drawn, declared_shares([source("written", 1), source("generated", 3)], tasks, ANY)
    )
    assert not verdict.passed
    assert verdict.offenders[0].startswith("generated with output-from-examples-v1: 3")
    assert verdict.offenders[0].endswith("drawn, 750 expected")


def test_a_dataset_that_is_not_declared_is_caught(tasks: dict[str, list[Task]]) -> None:
    drawn = draws([source("written"), source("generated")], tasks, 100)
    assert not datasets_are_mixed_by_weight(drawn, declared_shares([source("written")], tasks, ANY)).passed


def test_one_dataset_has_no_mixture(tasks: dict[str, list[Task]]) -> None:
    verdict = datasets_are_mixed_by_weight(draws([source("written")], tasks, 9), {("written", SOLVE): 1.0})
    assert verdict.description == "not applicable: there is one training dataset, with one prompt"
