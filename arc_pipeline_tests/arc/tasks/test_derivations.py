"""Derived datasets of small hand-made parents, and what each derivation refuses."""

import pytest
import yaml

from arc_pipeline.arc.tasks.derivations import Derivation, Length
from arc_pipeline.arc.tasks.specs import parse_spec
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import FaultyInput

ONE = Pair(((1,),), ((2,),))
THREE = [Task("a", (ONE, ONE), (ONE,)), Task("b", (ONE, ONE), (ONE,)), Task("task_a", (ONE, ONE), (ONE,))]


def n_pairs(task: Task) -> int:
    return len(task.pairs)


def derive(entry: str, *parents: list[Task], length: Length | None = n_pairs) -> list[Task]:
    """The tasks of the dataset x, as datasets.yaml would say it."""
    derivation = parse_spec("x", yaml.load(entry, Loader=yaml.BaseLoader))
    assert isinstance(derivation, Derivation)
    return derivation.derive("x", parents, length)


def ids(tasks: list[Task]) -> list[str]:
    return [task.task_id for task in tasks]


def test_a_union_holds_each_task_once() -> None:
    assert derive("union: [p, q]", THREE[1:], THREE[:2]) == THREE


def test_task_ids_are_selected_once_and_sorted() -> None:
    assert ids(derive("{of: p, task_ids: [b, a, b]}", THREE)) == ["a", "b"]


def test_the_first_tasks() -> None:
    assert ids(derive("{of: p, first: 2}", THREE)) == ["a", "b"]


def test_the_shortest_tasks_are_sorted_by_id() -> None:
    long = Task("a", (ONE,) * 3, (ONE,))
    assert ids(derive("{of: p, shortest: 2}", [long, *THREE[1:]])) == ["b", "task_a"]


def test_ties_in_length_are_broken_by_task_id() -> None:
    assert ids(derive("{of: p, shortest: 2}", THREE[::-1])) == ["a", "b"]


def test_leave_one_out_asks_the_first_train_pair() -> None:
    first, second, test = (Pair(((colour,),), ((colour,),)) for colour in range(3))
    lone = Task("lone", (ONE,), (ONE,))
    assert derive("{of: p, leave_one_out: true}", [Task("t", (first, second), (test,)), lone]) == [
        Task("t", (second,), (first,))
    ]


def test_the_parts_of_a_split_cover_its_parent_and_follow_the_seed() -> None:
    many = [Task(f"{index:02}", (ONE,), ()) for index in range(30)]

    def part(name: str, seed: int) -> list[str]:
        split = f"{{seed: {seed}, part: {name}, validation: 5}}"
        return ids(derive(f"{{of: p, random_split: {split}}}", many))

    assert sorted(part("train", 1) + part("validation", 1)) == ids(many)
    assert len(part("validation", 1)) == 5
    assert part("validation", 1) == part("validation", 1) != part("validation", 2)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{of: p, task_ids: [task_aa, zzz]}", [
            "x.task_ids: p has no such task (found zzz)",
            "x.task_ids: p has no such task; did you mean 'task_a'? (found task_aa)",
        ]),
        ("{of: p, first: 4}", ["x.first: p has only 3 tasks (found 4)"]),
        ("{of: p, shortest: 4}", ["x.shortest: p has only 3 tasks (found 4)"]),
        ("{of: p, random_split: {seed: 7, part: train, validation: 3}}", [
            "x.random_split.validation: must leave a task for training: p has 3 tasks (found 3)"
        ]),
    ],
)  # fmt: skip
def test_what_the_parent_does_not_have_is_refused(entry: str, expected: list[str]) -> None:
    with pytest.raises(FaultyInput) as caught:
        derive(entry, THREE)
    assert [str(fault) for fault in caught.value.faults] == [f"datasets.yaml: {text}" for text in expected]


def test_a_task_that_differs_between_datasets_is_refused() -> None:
    changed = Task("b", (ONE,), (ONE,))
    with pytest.raises(FaultyInput, match=r"x\.union: task b differs between p and q: leave one out by task_ids"):
        derive("union: [p, q]", THREE, [changed])


def test_leave_one_out_of_lone_pairs_is_refused() -> None:
    with pytest.raises(FaultyInput, match=r"x\.leave_one_out: no task of p has two train pairs"):
        derive("{of: p, leave_one_out: true}", [Task("lone", (ONE,), (ONE,))])


def test_shortest_without_a_length_says_what_is_missing() -> None:
    with pytest.raises(
        FaultyInput, match=r"x\.shortest: needs a count of tokens: pass Catalogue\.read\(length=\.\.\.\)"
    ):
        derive("{of: p, shortest: 1}", THREE, length=None)
