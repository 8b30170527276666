"""The checks pass what the experiment declares, always, and catch the original study's bug and other faults by name."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from arc_pipeline.arc.augmentation import checks
from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.augmentation.checks import (
    CHECKS,
    Check,
    DrawnExamples,
    Tasks,
    check_examples,
    datasets_are_mixed_by_weight,
    declared_shares,
)
from arc_pipeline.arc.augmentation.exposure import exposures
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, Recipe, RecipeDrawer, draw_examples
from arc_pipeline.arc.augmentation.verdict import Verdict
from arc_pipeline.arc.experiment import AugmentationConfig, Experiment, TrainingData
from arc_pipeline.arc.rendering.prompt import GENERATE, SOLVE
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Pair, Task

TEST_PAIRS, EVEN, TRANSFORMS, COLOURS, MIXED, HIDDEN, SHORT = CHECKS
N_EXAMPLES = 4000
DATA = Path(__file__).parents[3] / "data"
Tables = tuple[pa.Table, pa.Table]


def fits(recipe: Recipe, task: Task) -> tuple[int, int]:
    return 100, 0


def draw(
    tasks: Tasks,
    config: AugmentationConfig | None = None,
    measure: Callable[[Recipe, Task], tuple[int, int]] = fits,
    n: int = N_EXAMPLES,
    seed: int = 7,
) -> Tables:
    """(recipes, ledger) of a training on all datasets; an example may have 100 tokens."""
    drawer = RecipeDrawer([TrainingData(dataset=name) for name in tasks], tasks, config or AugmentationConfig(), seed)
    tables: dict[bool, list[dict[str, object]]] = {True: [], False: []}
    for accepted, row in draw_examples(drawer, n, 100, measure):
        tables[accepted].append(row)
    recipes, ledger = (pa.Table.from_pylist(tables[accepted], schema=RECIPE_SCHEMA) for accepted in (True, False))
    return recipes, ledger


def drawn_from(tables: Tables, tasks: Tasks, config: AugmentationConfig | None = None) -> DrawnExamples:
    train = [TrainingData(dataset=name) for name in tasks]
    return DrawnExamples(*tables, tasks, tasks, train, config or AugmentationConfig(), fits)


def failed(tables: Tables, tasks: Tasks, config: AugmentationConfig | None = None) -> dict[str, Verdict]:
    verdicts = check_examples(drawn_from(tables, tasks, config))
    assert tuple(verdicts) == tuple(CHECKS)
    return {name: verdict for name, verdict in verdicts.items() if not verdict.passed}


def with_column(tables: Tables, name: str, change: Callable[[int, object], object]) -> Tables:
    """The recipes with one column changed, each value by its row's number and itself."""
    recipes, ledger = tables
    values = [change(*item) for item in enumerate(recipes[name].to_pylist())]
    field = RECIPE_SCHEMA.field(name)
    return recipes.set_column(RECIPE_SCHEMA.get_field_index(name), field, pa.array(values, field.type)), ledger


@pytest.fixture(scope="module")
def written(tasks: Tasks) -> Tasks:
    return {"written": tasks["written"]}


@pytest.fixture(scope="module")
def short(one_test: Task) -> Tasks:
    """So many tasks that a short table has hardly a draw of each; every third pair is a test pair."""
    return {"many": [Task(f"{i:02}", one_test.train[:2], one_test.test) for i in range(80)]}


@pytest.fixture(scope="module")
def drawn(tasks: Tasks) -> Tables:
    return draw(tasks)


# --- what is declared passes


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(),
        AugmentationConfig(target="test-only"),
        AugmentationConfig(geometric=False, colours=False),
        AugmentationConfig(background_probability=0, demonstration_order=False),
        AugmentationConfig(background_probability=1, max_demonstrations=1),
    ],
)
def test_a_fixed_experiment_passes(tasks: Tasks, config: AugmentationConfig) -> None:
    assert failed(draw(tasks, config), tasks, config) == {}


def test_a_dataset_of_the_size_of_a_corpus_passes(two_tests: Task) -> None:
    corpus = {
        "corpus": [Task(f"{i:03}", two_tests.train[: 2 + i % 2], two_tests.test[: 1 + i % 2]) for i in range(400)]
    }
    assert failed(draw(corpus), corpus) == {}


@pytest.mark.parametrize("n", [3, 25, 120])
def test_correct_drawings_never_fail(tasks: Tasks, n: int) -> None:
    for seed in range(200):
        assert failed(draw(tasks, n=n, seed=seed), tasks) == {}, f"seed {seed}"


@pytest.mark.parametrize("target", ["any", "test-only"])
def test_correct_drawings_from_many_tasks_never_fail(short: Tasks, target: Literal["any", "test-only"]) -> None:
    config = AugmentationConfig(target=target)
    for seed in range(200):
        assert failed(draw(short, config, n=100, seed=seed), short, config) == {}, f"seed {seed}"


def test_test_pairs_that_never_fit_are_no_failure_in_a_short_table(short: Tasks) -> None:
    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        return (500 if task.is_test(recipe.target) else 50), 0

    for seed in range(20):
        recipes, ledger = draw(short, measure=measure, n=200, seed=seed)
        assert ledger.num_rows > 50
        assert failed((recipes, ledger), short).keys() <= {SHORT}, f"seed {seed}"


# --- the bug of the original study


def test_the_legacy_swap_fails_both_target_checks_and_names_the_pairs(tasks: Tasks) -> None:
    config = AugmentationConfig(target="legacy-swap")
    verdicts = failed(draw(tasks, config), tasks, config)
    assert set(verdicts) == {TEST_PAIRS, EVEN}
    expected = ["written/one_test pair 3 (test)", "written/two_tests pair 3 (test)", "written/two_tests pair 4 (test)"]
    for verdict in verdicts.values():
        assert [offender.split(":")[0] for offender in verdict.offenders] == expected
    assert verdicts[TEST_PAIRS].description == "3 of 3 test pairs, expected 20 times or more, are never a target"
    assert verdicts[TEST_PAIRS].offenders[0].startswith("written/one_test pair 3 (test): 0 drawn, 3")


def test_the_legacy_swap_of_a_short_training_on_a_corpus_fails_both_target_checks() -> None:
    tasks = {"arc-agi-1-training": Catalogue.read(DATA).load("arc-agi-1-training")}
    assert failed(draw(tasks, n=1600), tasks) == {}
    config = AugmentationConfig(target="legacy-swap")
    tables = draw(tasks, config, n=1600)
    assert not [each for each in exposures(*tables, tasks, config) if each.expected >= 20]
    verdicts = failed(tables, tasks, config)
    assert set(verdicts) == {TEST_PAIRS, EVEN}
    together = "416 test pairs together: 0 of 1600 draws, "
    assert verdicts[TEST_PAIRS].description.startswith(f"no test pair is ever a target; {together}")
    assert together in verdicts[EVEN].description
    for verdict in verdicts.values():
        assert len(verdict.offenders) == 20
        assert all(" (test): 0 drawn, " in offender for offender in verdict.offenders)


def test_test_pairs_that_are_targets_too_rarely_are_uneven_in_a_short_table(short: Tasks) -> None:
    def change(row: int, target: object) -> object:
        return 0 if target == 2 and row % 20 else target

    verdicts = failed(with_column(draw(short, n=200), "target", change), short)
    assert set(verdicts) == {EVEN}
    assert "80 test pairs together: " in verdicts[EVEN].description


def test_a_few_draws_without_test_pairs_may_be_chance(short: Tasks) -> None:
    config = AugmentationConfig(target="legacy-swap")
    assert failed(draw(short, config, n=20), short, config) == {}


def test_a_rarely_drawn_pair_is_uneven_though_it_occurs(written: Tasks) -> None:
    # every second time, the test pair of one_test is replaced by a train pair
    def change(row: int, target: object) -> object:
        return 0 if target == 3 and row % 2 else target

    verdicts = failed(with_column(draw(written), "target", change), written)
    assert set(verdicts) == {EVEN}
    assert "pair 3 (test)" in " ".join(verdicts[EVEN].offenders)


def test_a_missing_train_pair_is_named_too(written: Tasks) -> None:
    verdicts = failed(with_column(draw(written), "target", lambda row, target: target or 1), written)
    assert set(verdicts) == {EVEN}
    assert {offender.split(":")[0] for offender in verdicts[EVEN].offenders} == {
        "written/one_test pair 0",
        "written/two_tests pair 0",
    }


def test_a_train_pair_among_targets_of_test_only_is_caught(one_test: Task, two_tests: Task) -> None:
    config = AugmentationConfig(target="test-only")
    for task in (one_test, two_tests):
        tasks = {"written": [task]}
        tables = draw(tasks, config)
        assert failed(tables, tasks, config) == {}
        verdicts = failed(with_column(tables, "target", lambda row, target: target if row else 1), tasks, config)
        assert set(verdicts) == {EVEN}
        assert verdicts[EVEN].offenders == (f"written/{task.task_id} pair 1: 1 drawn, 0 expected",)


def test_a_pair_that_is_hardly_expected_may_be_missing(written: Tasks) -> None:
    config = AugmentationConfig(target="legacy-swap")
    assert failed(draw(written, config, n=20), written, config) == {}


# --- transforms and colours


def test_a_transform_that_never_occurs_is_caught(drawn: Tables, tasks: Tasks) -> None:
    changed = with_column(drawn, "transform", lambda row, name: "identity" if name == "rotate_90" else name)
    verdicts = failed(changed, tasks)
    assert set(verdicts) == {TRANSFORMS}
    assert "rotate_90: 0" in verdicts[TRANSFORMS].offenders


def test_a_transform_that_occurs_too_often_is_caught(drawn: Tables, tasks: Tasks) -> None:
    changed = with_column(drawn, "transform", lambda row, name: name if row % 5 else "transpose")
    assert set(failed(changed, tasks)) == {TRANSFORMS}


def test_an_unknown_transform_is_caught(drawn: Tables, tasks: Tasks) -> None:
    changed = with_column(drawn, "transform", lambda row, name: name if row else "shear")
    verdicts = failed(changed, tasks)
    assert set(verdicts) == {TRANSFORMS}
    assert verdicts[TRANSFORMS].offenders == ("shear: 1",)


def test_transforms_and_colours_that_are_not_declared_are_caught(drawn: Tables, tasks: Tasks) -> None:
    verdicts = failed(drawn, tasks, AugmentationConfig(geometric=False, colours=False))
    assert set(verdicts) == {TRANSFORMS, COLOURS}
    named = [text.split(":")[0] for text in verdicts[TRANSFORMS].offenders]
    assert named == sorted({*TRANSFORM_NAMES} - {"identity"})
    assert "no colour permutation is declared" in verdicts[COLOURS].description


@pytest.mark.parametrize("broken", [[0, 1, 2, 3, 4, 5, 6, 7, 8, 8], list(range(9)), list(range(1, 11)), []])
def test_one_broken_colour_map_is_caught(drawn: Tables, tasks: Tasks, broken: list[int]) -> None:
    verdicts = failed(with_column(drawn, "colour_map", lambda row, kept: broken if row == 17 else kept), tasks)
    assert set(verdicts) == {COLOURS}
    assert verdicts[COLOURS].offenders == (str(broken),)
    assert verdicts[COLOURS].description.endswith("are no permutation of 0-9")


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_a_background_that_is_kept_too_often_or_too_rarely_is_caught(
    drawn: Tables, tasks: Tasks, probability: float
) -> None:
    verdicts = failed(drawn, tasks, AugmentationConfig(background_probability=probability))
    assert set(verdicts) == {COLOURS}
    assert "background kept in 36" in verdicts[COLOURS].description


# --- examples that were too long


def test_a_ledger_that_explains_an_imbalance_does_not_fail(written: Tasks) -> None:
    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        return (500 if recipe.target == 3 and recipe.augmentation.transform != "identity" else 50), 0

    tables = draw(written, measure=measure)
    counts = tables[0].group_by("target").aggregate([([], "count_all")])
    share = dict(zip(counts["target"].to_pylist(), counts["count_all"].to_pylist(), strict=True))
    assert share[3] < share[0] / 4  # much fewer than even
    assert failed(tables, written) == {}


def test_a_pair_that_never_fits_is_no_failure_but_is_seen(written: Tasks) -> None:
    tables = draw(written, measure=lambda recipe, task: (500 if task.is_test(recipe.target) else 50, 0))
    assert failed(tables, written) == {}
    tests = [each for each in exposures(*tables, written, AugmentationConfig()) if each.is_test]
    assert [each.accepted for each in tests] == [0, 0, 0]
    assert min(each.drawn for each in tests) > 300


def test_a_ledger_of_other_pairs_excuses_nothing(written: Tasks) -> None:
    config = AugmentationConfig(target="legacy-swap")

    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        return (500 if recipe.target == 0 and recipe.augmentation.transform != "identity" else 50), 0

    assert set(failed(draw(written, config, measure), written, config)) == {TEST_PAIRS, EVEN}


# --- the mixture of datasets

ANY = AugmentationConfig()


def source(dataset: str, weight: float | None = None, prompt: str = SOLVE) -> TrainingData:
    return TrainingData.model_validate({"dataset": dataset, "weight": weight, "prompt": prompt})


def mixed(train: Sequence[TrainingData], tasks: dict[str, list[Task]], n: int, seed: int = 7) -> pa.Table:
    drawer = RecipeDrawer(train, tasks, ANY, seed)
    rows = [recipe.row(task) for recipe, task in map(drawer.draw, range(n))]
    return pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA)


def mixture(recipes: pa.Table, train: Sequence[TrainingData], tasks: Tasks) -> Verdict:
    """The verdict on a table of recipes of datasets that should be mixed as `train` says."""
    drawn = DrawnExamples(recipes, recipes.slice(0, 0), tasks, tasks, train, ANY, fits)
    return datasets_are_mixed_by_weight(drawn)


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
        verdict = mixture(mixed(train, tasks, n, seed), train, tasks)
        assert verdict.passed, verdict.description


def test_other_weights_are_caught_by_name(tasks: dict[str, list[Task]]) -> None:
    drawn = mixed([source("written"), source("generated")], tasks, 1000)
    verdict = mixture(drawn, [source("written", 1), source("generated", 3)], tasks)
    assert not verdict.passed
    assert verdict.offenders[0].startswith("generated with output-from-examples-v1: 3")
    assert verdict.offenders[0].endswith("drawn, 750 expected")


def test_a_dataset_that_is_not_declared_is_caught(tasks: dict[str, list[Task]]) -> None:
    drawn = mixed([source("written"), source("generated")], tasks, 100)
    assert not mixture(drawn, [source("written")], tasks).passed


def test_one_dataset_has_no_mixture(tasks: dict[str, list[Task]]) -> None:
    verdict = mixture(mixed([source("written")], tasks, 9), [source("written")], tasks)
    assert verdict.description == "not applicable: there is one training dataset, with one prompt"


# --- what cannot be checked, and words


def test_datasets_without_test_pairs_are_not_applicable(tasks: Tasks) -> None:
    generated = {"generated": tasks["generated"]}
    verdicts = check_examples(drawn_from(draw(generated), generated))
    assert verdicts[TEST_PAIRS] == Verdict(True, "not applicable: the training datasets have no test pairs")
    assert verdicts[EVEN].passed
    assert "over 7 pairs" in verdicts[EVEN].description


def test_too_few_examples_are_not_applicable(tasks: Tasks) -> None:
    generated = {"generated": tasks["generated"]}
    verdicts = check_examples(drawn_from(draw(generated, n=10), generated))
    assert verdicts[EVEN].passed
    assert verdicts[EVEN].description.startswith("not applicable: there are no test pairs")
    assert verdicts[EVEN].description.endswith("no task has two pairs that are expected 5 times or more")


def test_exposures_count_every_draw(tasks: Tasks) -> None:
    recipes, ledger = draw(tasks, measure=lambda recipe, task: (500 if recipe.target == 1 else 50, 0), n=500)
    found = exposures(recipes, ledger, tasks, AugmentationConfig())
    assert [each.name for each in found][:5] == [
        *(f"written/one_test pair {pair}" for pair in range(3)),
        "written/one_test pair 3 (test)",
        "written/two_tests pair 0",
    ]
    assert sum(each.accepted for each in found) == recipes.num_rows == 500
    assert sum(each.drawn for each in found) == recipes.num_rows + ledger.num_rows
    assert sum(each.expected for each in found) == pytest.approx(recipes.num_rows + ledger.num_rows)


def test_only_test_pairs_are_expected_of_test_only(two_tests: Task) -> None:
    tasks, config = {"written": [two_tests]}, AugmentationConfig(target="test-only")
    found = exposures(*draw(tasks, config, n=100), tasks, config)
    assert [(each.pair, each.expected) for each in found] == [(3, 50), (4, 50)]


def test_many_offenders_are_not_all_named() -> None:
    rng = np.random.default_rng(0)
    pairs = tuple(Pair(((int(a), int(b)),), ((int(b), int(a)),)) for a, b in rng.integers(10, size=(3, 2)))
    tasks = {"many": [Task(f"{i:02}", pairs[:2], pairs[2:]) for i in range(40)]}
    config = AugmentationConfig(target="legacy-swap")
    verdicts = failed(draw(tasks, config), tasks, config)
    assert {len(verdict.offenders) for verdict in verdicts.values()} == {20}
    assert verdicts[TEST_PAIRS].description.startswith("40 of 40 test pairs")


def test_the_fixture_shows_test_pairs_as_targets(drawn: Tables) -> None:
    assert pc.sum(drawn[0]["target_is_test"]).as_py() > 700


def test_a_verdict_as_json() -> None:
    assert Verdict(False, "why", ("a", "b")).as_json() == {
        "passed": False,
        "description": "why",
        "offenders": ["a", "b"],
    }


# --- the list of checks


def test_every_fact_of_the_module_is_in_the_list() -> None:
    public = (each for name, each in vars(checks).items() if inspect.isfunction(each) and not name.startswith("_"))
    facts = {each.__name__ for each in public if inspect.signature(each).return_annotation is Verdict}
    assert facts == set(CHECKS)
    assert all(check.fact for check in CHECKS.values())


def test_a_check_is_added_in_one_place(drawn: Tables, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    def there_are_examples(drawn: DrawnExamples) -> Verdict:
        """There is at least one example."""
        return Verdict(drawn.recipes.num_rows > 0, f"{drawn.recipes.num_rows} examples")

    content = {"name": "x", "train": [{"dataset": "a"}], "max_steps": 1, "predict": {"datasets": ["a"]}}
    content["expected_violations"] = [there_are_examples.__name__]
    with pytest.raises(ValueError, match="no check that may be expected to fail; there are: colour_maps_are_perm"):
        Experiment.model_validate(content)
    monkeypatch.setitem(CHECKS, "there_are_examples", Check("there_are_examples", there_are_examples))
    assert Experiment.model_validate(content).expected_violations == ["there_are_examples"]
    assert check_examples(drawn_from(drawn, tasks))["there_are_examples"] == Verdict(True, "4000 examples")


def test_that_nothing_is_hidden_can_not_be_expected() -> None:
    content = {"name": "x", "train": [{"dataset": "a"}], "max_steps": 1, "predict": {"datasets": ["a"]}}
    with pytest.raises(ValueError, match="no check that may be expected to fail"):
        Experiment.model_validate(content | {"expected_violations": [HIDDEN]})


def test_a_task_that_is_too_long_at_every_draw_is_named(one_test: Task, two_tests: Task) -> None:
    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        return 101 if recipe.task_id == "one_test" else 100, 0

    tasks = {"written": [one_test, two_tests]}
    tables = draw(tasks, measure=measure, n=100)
    verdict = check_examples(drawn_from(tables, tasks))[SHORT]
    assert not verdict.passed
    assert verdict.description == "never trained on, too long at every draw: written/one_test"
    assert check_examples(drawn_from(draw(tasks, n=100), tasks))[SHORT].passed
    assert CHECKS[SHORT].only_warns
