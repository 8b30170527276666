"""Faults of documents: each is named with its task, pair, cell and value, and one look shows them all."""

import json

import pytest

from arc_pipeline.arc.tasks import reading as reading_module
from arc_pipeline.arc.tasks.packed_task import PackedTask
from arc_pipeline.arc.tasks.reading import Reading
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import FaultyInput

PAIR = {"input": [[1]], "output": [[2]]}
TASK = {"train": [PAIR], "test": [PAIR]}
READ_PAIR = Pair(((1,),), ((2,),))
KAGGLE_TASK = {"train": [PAIR], "test": [{"input": [[1]]}]}


def faults(content: object) -> list[str]:
    """Of `raw/X.json` with this content: bytes and text as they are, anything else as JSON."""
    text = content if isinstance(content, (bytes, str)) else json.dumps(content)
    reading = Reading()
    with reading.collecting_faults():
        reading.add_file("raw/X.json", "X", text if isinstance(text, bytes) else text.encode())
    return finished(reading)


def kaggle_faults(challenge: object, solution: object) -> list[str]:
    """Of one task in Kaggle's format."""
    reading = Reading()
    reading.add_kaggle_tasks(("c.json", "s.json"), {"a": challenge}, {"a": solution})
    return finished(reading)


def finished(reading: Reading) -> list[str]:
    with pytest.raises(FaultyInput) as caught:
        reading.finish()
    return [str(fault) for fault in caught.value.faults]


def test_many_tasks_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "UNPACKED_PAIRS", 4)
    reading, expected = Reading(), []
    for folder, task_id in [("", "a"), ("", "b"), ("x", "c"), ("y", "c"), ("y", "d")]:
        with reading.collecting_faults(folder):
            reading.add_file(f"raw/{folder}", task_id, json.dumps(TASK).encode())
        expected.append(Task(f"{folder}/c" if task_id == "c" else task_id, (READ_PAIR,), (READ_PAIR,)))
    tasks = reading.finish()
    assert tasks == sorted(expected, key=lambda task: task.task_id)
    packed = {task.task_id for task in tasks if isinstance(task, PackedTask)}
    assert packed == {"x/c", "y/c", "d"}


def test_documents_of_several_files_make_one_list() -> None:
    reading = Reading()
    reading.add_file("b.json", "b", json.dumps(TASK).encode())
    reading.add_file("many.json", "many", json.dumps({"c": [PAIR], "a": TASK}).encode())
    whole = ((READ_PAIR,), (READ_PAIR,))
    assert reading.finish() == [Task("a", *whole), Task("b", *whole), Task("c", (READ_PAIR,), ())]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ([], ["a grid is a non-empty list of rows (found [])"]),
        ([[]], ["row 0: a row is a non-empty list of colours (found [])"]),
        ("1", ["a grid is a non-empty list of rows (found '1')"]),
        ([1], ["row 0: a row is a non-empty list of colours (found 1)"]),
        ([[1, 1], [1]], ["row 1: rows have equal lengths (found 1 cells after 2)"]),
        ([[1]] * 31, ["a grid has at most 30 rows (found 31)"]),
        ([[1] * 31], ["row 0: a row has at most 30 cells (found 31)"]),
        ([[1, 10]], ["row 0, column 1: a colour is an integer from 0 to 9 (found 10)"]),
        ([[-1]], ["row 0, column 0: a colour is an integer from 0 to 9 (found -1)"]),
        (
            [[True, 1.5], ["3", None], [10, 10]],
            [
                "row 0, column 0: a colour is an integer from 0 to 9 (found True)",
                "row 0, column 1: a colour is an integer from 0 to 9 (found 1.5)",
                "row 1, column 0: a colour is an integer from 0 to 9 (found '3')",
                "row 1, column 1: a colour is an integer from 0 to 9 (found None)",
                "row 2, column 0: a colour is an integer from 0 to 9 (found 10)",
            ],
        ),
        (
            [[1, 10], [1]],
            [
                "row 0, column 1: a colour is an integer from 0 to 9 (found 10)",
                "row 1: rows have equal lengths (found 1 cells after 2)",
            ],
        ),
    ],
)
def test_faulty_grids(grid: object, expected: list[str]) -> None:
    place = "raw/X.json: task 007bbfb7, train pair 1, input: "
    document = {"007bbfb7": {"train": [PAIR, {"input": grid, "output": [[2]]}], "test": [PAIR]}}
    assert faults(document) == [place + text for text in expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": \n  [1,}', "raw/X.json: line 2, column 6: broken JSON: Expecting value (found '}')"),
        (b'{"\xff": []}', "raw/X.json: broken JSON (found 'utf-8' codec"),
        ("", "raw/X.json: line 1, column 1: broken JSON: Expecting value (found the end of the file)"),
        ("[" * 100_000, "raw/X.json: broken JSON (found "),
        ({}, "raw/X.json: expected an object from task ids to tasks (found {})"),
        (3, "raw/X.json: task X: a task is an object with train and test, or a list of pairs (found 3)"),
        ({"a": "b"}, "raw/X.json: task a: a task is an object with train and test, or a list of pairs (found 'b')"),
        ([], "raw/X.json: task X, train: there must be at least one train pair (found [])"),
        ({"a": {"train": [], "test": [PAIR]}}, "task a, train: there must be at least one train pair (found [])"),
        ({"train": [PAIR]}, "raw/X.json: task X: the key 'test' is missing (found keys ['train'])"),
        ({"test": [PAIR]}, "raw/X.json: task X: the key 'train' is missing (found keys ['test'])"),
        ({"train": {"a": TASK}, "test": []}, "task X, train: expected a list of pairs (found {'a': "),
        ({"train": [3], "test": []}, "task X, train pair 0: a pair is an object with input and output (found 3)"),
        (
            {"train": [PAIR], "test": [PAIR, {"input": [[1]]}]},
            "task X, test pair 1: the output is missing; give it to all test pairs, or to none if they are to be predi",
        ),
        ([{"output": [[1]]}], "task X, train pair 0: the input is missing (found keys ['output'])"),
        ('{"a": [], "a": []}', "raw/X.json: task a: task id occurs more than once in this file"),
        ('{"train": [], "train": [], "test": []}', "task X: key 'train' occurs more than once in this file"),
        ('[{"input": [[1]], "output": [[1]], "input": [[2]]}]', "task X, train pair 0: key 'input' occurs more than"),
    ],
)
def test_faulty_documents(content: object, expected: str) -> None:
    assert expected in "\n".join(faults(content))


@pytest.mark.parametrize(
    ("challenge", "solution", "expected"),
    [
        ({"train": [PAIR]}, [[[1]]], ["c.json: task a: the key 'test' is missing (found keys ['train'])"]),
        ({"train": [PAIR], "test": 3}, [[[1]]], ["c.json: task a, test: expected a list of pairs (found 3)"]),
        (3, [[[1]]], ["c.json: task a: a task is an object with train and test, or a list of pairs (found 3)"]),
        (KAGGLE_TASK, [], ["s.json: task a: expected one solution for each of 1 test pairs (found 0)"]),
        ([PAIR], [[[1]]], ["s.json: task a: expected one solution for each of 0 test pairs (found 1)"]),
        (
            {"train": [], "test": [{"input": []}]},
            [[[1]], [[2]]],
            [
                "c.json: task a, test pair 0, input: a grid is a non-empty list of rows (found [])",
                "c.json: task a, train: there must be at least one train pair (found [])",
                "s.json: task a: expected one solution for each of 1 test pairs (found 2)",
            ],
        ),
    ],
)
def test_one_fault_of_a_kaggle_task_makes_no_second_one(
    challenge: object, solution: object, expected: list[str]
) -> None:
    assert kaggle_faults(challenge, solution) == expected


@pytest.mark.parametrize("task_id", ["", "\ud800", "a\tb", "\x1b[31m"])
def test_an_id_that_no_file_or_screen_can_hold_is_a_fault(task_id: str) -> None:
    problem = "a task id must have characters, and only such as can be printed; give it another"
    assert faults({task_id: TASK}) == [f"raw/X.json: task {task_id!a}: {problem}"]
