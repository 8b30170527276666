"""At test time only demonstrations are trained on, and the check finds every way in which a test pair could get in."""

import sys
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation import test_time
from arc_pipeline.arc.augmentation.checks import DrawnExamples, Tasks, only_demonstrations_are_trained_on
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, Recipe, recipes_by_task
from arc_pipeline.arc.augmentation.test_time import (
    draw_training,
    drawing_config,
    n_trainings,
    seen_in_training,
    training_tasks,
)
from arc_pipeline.arc.augmentation.verdict import Verdict
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError

ENCODER = parse_encoder("MinimalGridEncoder()")


def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
    prompt = recipe.render(task, ENCODER)
    text = prompt.text + prompt.answer
    return len(text), zlib.crc32(text.encode())


def experiment(**changes: Any) -> Experiment:
    fields: dict[str, Any] = {"name": "x", "initial_checkpoint": "base", "test_time": "dataset", "max_steps": 25}
    fields |= {"predict": {"datasets": ["written"]}, "tuning": {"method": "lora"}}
    return Experiment.model_validate(fields | changes)


def draw(of: Experiment, tasks: Tasks) -> pa.Table:
    return pa.Table.from_pylist([row for fits, row in draw_training(of, tasks, measure) if fits], schema=RECIPE_SCHEMA)


def verdict(recipes: pa.Table, tasks: Tasks, of: Experiment | None = None) -> Verdict:
    of = of or experiment()
    drawn = DrawnExamples(
        recipes, recipes.slice(0, 0), tasks, tasks, of.training_data, of.augmentation, measure, of.test_time
    )
    return only_demonstrations_are_trained_on(drawn)


@pytest.fixture(scope="module")
def written(tasks: dict[str, list[Task]]) -> Tasks:
    return {"written": tasks["written"]}


# --- what is drawn


def test_every_demonstration_in_turn_is_asked_after_all_others(written: Tasks) -> None:
    rows = draw(experiment(), written).to_pylist()
    assert len(rows) == 400
    assert {row["task_id"] for row in rows} == {"one_test", "two_tests"}
    assert all(sorted([*row["demonstrations"], row["target"]]) == [0, 1, 2] for row in rows)
    assert min(Counter(row["target"] for row in rows).values()) > 90


def test_many_demonstrations_are_all_shown_unless_the_file_says_how_many(no_test: Task) -> None:
    many = {"written": [no_test]}
    limited = experiment(augmentation={"max_demonstrations": 2})
    assert drawing_config(experiment()).max_demonstrations == sys.maxsize
    assert drawing_config(limited).max_demonstrations == 2
    assert {len(row["demonstrations"]) for row in draw(experiment(), many).to_pylist()} == {6}
    assert {len(row["demonstrations"]) for row in draw(limited, many).to_pylist()} == {2}


def test_test_pairs_change_nothing(written: Tasks) -> None:
    of = experiment()
    other = {"written": [replace(task, test=written["written"][0].train) for task in written["written"]]}
    assert draw(of, written) == draw(of, other)


def test_other_experiments_see_all_pairs(written: Tasks) -> None:
    plain = experiment(test_time=None, train=[{"dataset": "written"}])
    assert training_tasks(plain, written) == written
    assert any(row["target_is_test"] for row in draw(plain, written).to_pylist())


def test_a_dataset_of_too_long_tasks_is_an_error(written: Tasks) -> None:
    with pytest.raises(ArcPipelineError, match="longer than max_seq_len 16"):
        draw(experiment(max_seq_len=16), written)


# --- an adapter for each task


def test_each_task_has_as_many_examples_of_its_own(written: Tasks) -> None:
    of = experiment(test_time="task", max_steps=3)
    recipes = draw(of, written)
    each = recipes_by_task(recipes)
    assert list(each) == [("written", "one_test"), ("written", "two_tests")]
    assert all(table.num_rows == of.n_examples for table in each.values())
    assert recipes["example"].to_pylist() == list(range(2 * of.n_examples))
    assert verdict(recipes, written, of).passed
    assert n_trainings(of, written, measure) == 2
    assert n_trainings(experiment(), written, measure) == 1


def test_a_task_whose_demonstrations_do_not_fit_has_none(written: Tasks, no_test: Task) -> None:
    fits = written["written"][0]
    limit = max(draw(experiment(), {"written": [fits]})["n_tokens"].to_pylist())
    asked = {"written": [no_test, fits]}
    of = experiment(test_time="task", max_steps=3, max_seq_len=limit)
    drawn = list(draw_training(of, asked, measure))
    assert {row["task_id"] for fits, row in drawn if not fits} == {no_test.task_id}
    assert {row["task_id"] for fits, row in drawn if fits} == {"one_test"}
    assert n_trainings(of, asked, measure) == 1
    # no two tasks are drawn by the same numbers
    assert [row["example"] for fits, row in drawn if fits] == list(range(of.n_examples, 2 * of.n_examples))
    with pytest.raises(ArcPipelineError, match="no task of written has two demonstrations that fit max_seq_len 16"):
        draw(experiment(test_time="task", max_seq_len=16), written)


def test_a_test_pair_that_another_dataset_demonstrates_harms_only_a_common_adapter(written: Tasks) -> None:
    task = written["written"][0]
    both = {"written": [task], "turned": [Task("turned", task.pairs, task.test)]}
    for scope, passed in (("dataset", False), ("task", True)):
        of = experiment(test_time=scope, predict={"datasets": ["written", "turned"]}, max_steps=2)
        assert verdict(draw(of, both), both, of).passed == passed


def test_an_adapter_saw_its_own_demonstrations_and_all_that_its_start_saw(written: Tasks) -> None:
    task = written["written"][0]
    asked = {"written": [task, Task("other", (task.test[0], *task.train[1:]), task.train[:1])]}
    base = experiment(name="base", test_time=None, initial_checkpoint=None, train=[{"dataset": "before"}])
    before = {"before": [Task("before", task.pairs, ())]}
    for scope, shared in (("dataset", 2), ("task", 0)):
        history = [experiment(test_time=scope), base]
        nothing = {"before": [Task("nothing", task.train[1:], ())]}
        assert seen_in_training(history, asked | nothing, asked).shared.num_rows == shared
        seen = seen_in_training(history, asked | before, asked)
        assert (seen.shared.num_rows, list(seen.intended), seen.adapted) == (2, ["before"], [*asked])


# --- the check


def test_demonstrations_pass(written: Tasks) -> None:
    of = experiment()
    found = verdict(draw(of, written), written, of)
    assert found.passed
    assert "0 of 3 test outputs are outputs of a demonstration" in found.description


def leak(change: Callable[[Task], Task], monkeypatch: pytest.MonkeyPatch, tasks: Tasks) -> Verdict:
    """The verdict on a training whose code takes other pairs than it should."""

    def wrong(of: Experiment, found: Tasks) -> dict[str, list[Task]]:
        return {dataset: [change(task) for task in each] for dataset, each in found.items()}

    monkeypatch.setattr(test_time, "training_tasks", wrong)
    return verdict(draw(experiment(), tasks), tasks)


LEAKS: dict[str, tuple[Callable[[Task], Task], str]] = {
    "test pairs are not taken away": (lambda task: task, "test pair 0"),
    "test pairs became train pairs": (lambda task: Task(task.task_id, task.pairs, ()), "test pair 0"),
    "a test pair took the place of a train pair": (
        lambda task: Task(task.task_id, (task.test[0], *task.train[1:]), ()),
        "has other tokens than its train pairs",
    ),
    "a test output took the place of an output": (
        lambda task: Task(task.task_id, (replace(task.train[0], output=task.test[0].output), *task.train[1:]), ()),
        "has other tokens than its train pairs",
    ),
    "a test output is an input": (
        lambda task: Task(task.task_id, (replace(task.train[0], input=task.test[0].output), *task.train[1:]), ()),
        "has other tokens than its train pairs",
    ),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught_by_task_and_pair(name: str, written: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    change, words = LEAKS[name]
    found = leak(change, monkeypatch, written)
    assert not found.passed
    assert any(words in offender for offender in found.offenders)
    assert all("written/" in offender for offender in found.offenders)


@pytest.mark.parametrize(
    ("column", "value", "how"), [("target", 3, "has as its target"), ("demonstrations", [0, 3], "shows")]
)
def test_one_example_with_a_test_pair_is_caught(written: Tasks, column: str, value: object, how: str) -> None:
    rows = draw(experiment(), written).to_pylist()
    rows[17][column] = value
    found = verdict(pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA), written)
    assert found.offenders == (f"example 17: written/{rows[17]['task_id']} {how} test pair 0",)


def test_an_output_that_a_demonstration_has_as_well_is_a_note(one_test: Task) -> None:
    alike = replace(one_test, test=(replace(one_test.test[0], output=one_test.train[0].output),))
    found = verdict(draw(experiment(), {"written": [alike]}), {"written": [alike]})
    assert found.passed
    assert "1 of 1 test outputs are outputs of a demonstration of their task too" in found.description


def left_out(task: Task, pair: int) -> Task:
    """The variant whose test pair is a train pair of the task."""
    train = [each for number, each in enumerate(task.train) if number != pair]
    return Task(f"{task.task_id}_{pair}", (*train, *task.test), task.train[pair : pair + 1])


def test_a_test_pair_that_another_dataset_demonstrates_is_caught(one_test: Task) -> None:
    tasks = {"written": [one_test], "left_out": [replace(one_test, train=one_test.train[1:], test=one_test.train[:1])]}
    both = experiment(predict={"datasets": ["written", "left_out"]})
    found = verdict(draw(both, tasks), tasks, both)
    assert found.offenders == ("left_out/one_test test pair 0 is a train pair of written/one_test",)


def test_a_test_pair_that_another_task_of_the_dataset_demonstrates_is_caught(one_test: Task) -> None:
    tasks = {"written": [one_test, left_out(one_test, 2)]}
    found = verdict(draw(experiment(), tasks), tasks)
    assert found.offenders == (
        "written/one_test test pair 0 is a train pair of written/one_test_2",
        "written/one_test_2 test pair 0 is a train pair of written/one_test",
    )
    assert ", 2 problems" in found.description
    # an adapter of one task sees none of the other's pairs
    alone = experiment(test_time="task", max_steps=2)
    assert verdict(draw(alone, tasks), tasks, alone).passed


def test_only_tasks_that_are_trained_on_can_leak(one_test: Task) -> None:
    """One demonstration alone makes no example."""
    single = Task("single", one_test.test, one_test.train[:1])
    tasks = {"written": [replace(one_test, train=one_test.train[1:]), single]}
    assert verdict(draw(experiment(), tasks), tasks).passed


def test_a_test_pair_that_its_own_task_demonstrates_is_shown_anyway(one_test: Task) -> None:
    shown = Task("shown", one_test.pairs, one_test.test)
    tasks = {"written": [shown, Task("other", one_test.pairs, ())]}
    assert verdict(draw(experiment(), tasks), tasks).passed


def test_other_trainings_are_not_applicable(written: Tasks) -> None:
    plain = experiment(test_time=None, train=[{"dataset": "written"}])
    found = verdict(draw(plain, written), written, plain)
    assert found == Verdict(True, "not applicable: nothing is trained at test time")
