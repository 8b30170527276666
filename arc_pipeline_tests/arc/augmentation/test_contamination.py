"""Pairs are recognized under every augmentation and only then; the public corpora share what they are said to share."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES, TRANSFORMS, Augmentation
from arc_pipeline.arc.augmentation.contamination import (
    SHARED_SCHEMA,
    Seen,
    canonical,
    contamination_labels,
    evaluation_pairs_are_not_in_training,
    shared_pairs,
)
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

DATA = Path(__file__).parents[3] / "data"


def grids_up_to(side: int, colours: int) -> st.SearchStrategy[Grid]:
    cells = arrays("int8", array_shapes(min_dims=2, max_dims=2, max_side=side), elements=st.integers(0, colours - 1))
    return cells.map(lambda array: tuple(map(tuple, array.tolist())))


large, small = (st.builds(Pair, *[grids_up_to(*limits)] * 2) for limits in ((30, 10), (2, 3)))
augmentations = st.builds(Augmentation, st.sampled_from(TRANSFORM_NAMES), st.permutations(range(10)).map(tuple))


def augmented(pair: Pair, augmentation: Augmentation) -> Pair:
    return Pair(augmentation.apply(pair.input), augmentation.apply(pair.output))


def cells(pair: Pair) -> list[int]:
    return [colour for grid in (pair.input, pair.output) for row in grid for colour in row]


def shapes(pair: Pair) -> list[list[int]]:
    return [[len(row) for row in grid] for grid in (pair.input, pair.output)]


def one_turns_into_the_other(a: Pair, b: Pair) -> bool:
    """By definition: some transform gives the same shapes, and the colours then match one to one."""
    turned = [Pair(turn(a.input), turn(a.output)) for turn in TRANSFORMS.values()]
    matches = [{*zip(cells(each), cells(b), strict=True)} for each in turned if shapes(each) == shapes(b)]
    return any(len(match) == len({x for x, _ in match}) == len({y for _, y in match}) for match in matches)


@given(large, augmentations)
def test_a_pair_is_recognized_under_every_augmentation(pair: Pair, augmentation: Augmentation) -> None:
    disguised = augmented(pair, augmentation)
    assert canonical(disguised) == canonical(pair)
    assert shared_pairs({"t": [Task("x", (disguised,), ())]}, {"a": [Task("y", (), (pair,))]}).num_rows == 1


@given(small, small)
def test_the_canonical_form_is_shared_by_augmented_pairs_only(a: Pair, b: Pair) -> None:
    assert (canonical(a) == canonical(b)) == one_turns_into_the_other(a, b)


def test_other_rules_have_other_forms() -> None:
    grid: Grid = ((1, 2, 3), (4, 5, 6))
    # the other two turn into rotate_90 and transpose when everything is mirrored
    rules = ("identity", "rotate_90", "rotate_180", "flip_rows", "flip_columns", "transpose")
    outputs = [TRANSFORMS[rule](grid) for rule in rules] + [((1,),), ((2,),), ((7,),), ((1, 2, 3), (4, 5, 1))]
    assert len({canonical(Pair(grid, output)) for output in outputs}) == len(outputs)


def turned(task: Task, task_id: str, augmentation: Augmentation) -> Task:
    train, test = (tuple(augmented(pair, augmentation) for pair in pairs) for pairs in (task.train, task.test))
    return Task(task_id, train, test)


def test_each_shared_test_pair_is_a_row_with_its_first_place_in_training(one_test: Task, two_tests: Task) -> None:
    disguised = turned(one_test, "disguised", Augmentation("rotate_90", (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)))
    moved = Task("moved", (*disguised.test, *disguised.train), ())
    shared = shared_pairs({"t": [disguised], "u": [moved]}, {"a": [two_tests, one_test]})
    row = ("a", "one_test", 0, "t", "disguised", 3, True, False)
    assert shared.schema == SHARED_SCHEMA
    assert [tuple(each.values()) for each in shared.to_pylist()] == [row]
    assert shared_pairs({"u": [moved]}, {"a": [one_test]}).column("trained_pair").to_pylist() == [0]


def test_test_pairs_that_are_left_out_of_training_are_not_shared(one_test: Task) -> None:
    left_out = Task("one_test", one_test.train[1:], one_test.train[:1])
    asked = {"a": [one_test]}
    shared = shared_pairs({"n-1": [left_out]}, asked)
    assert (shared.num_rows, shared.schema) == (0, SHARED_SCHEMA)
    seen = Seen.of({"n-1": [left_out]}, asked, ["n-1"])
    assert contamination_labels(asked, seen) == {"a": "seen as demonstrations"}
    verdict = evaluation_pairs_are_not_in_training(asked, seen)
    assert verdict.offenders == ("same demonstrations, exactly: a/one_test is n-1/one_test",)
    assert evaluation_pairs_are_not_in_training(asked, replace(seen, adapted=["a"])).passed


def test_what_is_trained_on_by_intention_is_labelled_and_passes(one_test: Task, two_tests: Task, no_test: Task) -> None:
    trained = {"demo": [one_test, two_tests]}
    asked = {"demo": [one_test, two_tests], "copy": [two_tests, no_test], "other": [no_test]}
    seen = Seen.of(trained, asked, trained)
    said = {"demo": "trained-on", "copy": "trained-on: 2 of 2 test pairs", "other": "unseen"}
    assert contamination_labels(asked, seen) == said
    verdict = evaluation_pairs_are_not_in_training(asked, seen)
    assert not verdict.passed
    assert verdict.description == "demo: trained-on; copy: trained-on: 2 of 2 test pairs; other: unseen"
    assert verdict.offenders == (
        "same task, exactly: copy/two_tests is demo/two_tests",
        "same test pair, exactly: copy/two_tests test pair 0 is demo/two_tests pair 3 (test)",
        "same test pair, exactly: copy/two_tests test pair 1 is demo/two_tests pair 4 (test)",
    )
    demo = {"demo": trained["demo"]}
    assert evaluation_pairs_are_not_in_training(demo, Seen.of(trained, demo, trained)).passed


def test_at_most_twenty_pairs_are_named(one_test: Task) -> None:
    many = [Task(str(number), one_test.train, one_test.test) for number in range(30)]
    verdict = evaluation_pairs_are_not_in_training({"a": many}, Seen.of({"t": many}, {"a": many}, ["t"]))
    assert len(verdict.offenders) == 20


def kinds(trained: dict[str, list[Task]], asked: dict[str, list[Task]]) -> list[tuple[str, bool]]:
    """How the evaluation tasks are related to the training tasks, each exactly or up to augmentation."""
    return [(row["match"], row["exactly"]) for row in Seen.of(trained, asked).matches.to_pylist()]


def test_tasks_are_compared_by_content_and_not_by_id(one_test: Task, two_tests: Task) -> None:
    disguise = Augmentation("rotate_90", (9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
    twin = Task("twin", one_test.train[::-1], one_test.test)
    shown = Task("shown", one_test.train, two_tests.test)
    asked = {"a": [one_test]}
    assert kinds({"t": [twin]}, asked) == [("same task", True)]
    assert kinds({"t": [turned(one_test, "turned", disguise)]}, asked) == [("same task", False)]
    assert kinds({"t": [shown]}, asked) == [("same demonstrations", True)]
    assert kinds({"t": [turned(shown, "turned", disguise)]}, asked) == [("same demonstrations", False)]
    assert kinds({"t": [Task("one_test", two_tests.train, ())]}, asked) == [("same id, other content", True)]
    assert kinds({"t": [two_tests]}, asked) == []


def test_of_questions_the_inputs_are_compared(one_test: Task) -> None:
    question = Task("q", one_test.train, tuple(Pair(pair.input, ()) for pair in one_test.test))
    seen = Seen.of({"t": [one_test]}, {"a": [question]})
    assert [row["match"] for row in seen.matches.to_pylist()] == ["same task"]
    assert contamination_labels({"a": [question]}, seen) == {"a": "no solutions; trained-on: 1 of 1 tasks"}
    alone = Task("other", mirrored_once(one_test), one_test.test)
    assert kinds({"t": [alone]}, {"a": [question]}) == [("same test input", True)]


def mirrored_once(task: Task) -> tuple[Pair, ...]:
    """Another rule on inputs of other sizes."""
    return tuple(Pair(pair.input + pair.input, pair.input) for pair in task.train)


def test_what_is_in_no_example_is_not_called_trained_on(one_test: Task, two_tests: Task) -> None:
    asked = {"a": [one_test, two_tests]}
    label = "trained-on, but for 1 of 2 tasks that are in no training example"
    assert contamination_labels(asked, Seen.of({"a": [two_tests]}, asked, ["a"])) == {"a": label}
    alone = {"a": [one_test]}
    seen = Seen.of({"a": [two_tests]}, alone, ["a"])
    assert contamination_labels(alone, seen) == {"a": "unseen: 1 of 1 tasks that are in no training example"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.read(DATA)


def test_arc_agi_2_training_has_tasks_of_arc_agi_1_evaluation(catalogue: Catalogue) -> None:
    asked = {"arc-agi-1-evaluation": catalogue.load("arc-agi-1-evaluation")[:40]}
    seen = Seen.of({"arc-agi-2-training": catalogue.load("arc-agi-2-training")}, asked, ["arc-agi-2-training"])
    assert seen.shared.column("task_id").equals(seen.shared.column("trained_task_id"))
    assert contamination_labels(asked, seen) == {"arc-agi-1-evaluation": "trained-on: 37 of 41 test pairs"}


def test_most_of_arc_agi_1_s_evaluation_is_in_arc_agi_2_s_training() -> None:
    catalogue = Catalogue.read(DATA)
    trained = {"arc-agi-2-training": catalogue.load("arc-agi-2-training")}
    asked = {"arc-agi-1-evaluation": catalogue.load("arc-agi-1-evaluation")}
    seen = Seen.of(trained, asked, trained)
    assert contamination_labels(asked, seen) == {"arc-agi-1-evaluation": "trained-on: 395 of 419 test pairs"}
    assert len(set(seen.shared["task_id"].to_pylist())) == 376
    counts = Counter((row["match"], row["exactly"]) for row in seen.matches.to_pylist())
    # one of them got another demonstration
    assert counts == {("same task", True): 375, ("same id, other content", True): 1}
    assert not evaluation_pairs_are_not_in_training(asked, seen).passed
