"""The user's own files in `raw/`: every layout that is read, and every fault that is named."""

import json
from pathlib import Path

import pytest

from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import FaultyInput

PAIR = {"input": [[1]], "output": [[2]]}
TASK = {"train": [PAIR], "test": [PAIR]}
READ_PAIR = Pair(((1,),), ((2,),))


def catalogue(tmp_path: Path, files: dict[str, object]) -> Catalogue:
    """Of a data directory whose `raw/` has these files: text as it is, anything else as JSON."""
    (tmp_path / "datasets.yaml").touch()
    for name, content in files.items():
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Catalogue.read(tmp_path)


def faults(tmp_path: Path, files: dict[str, object], name: str = "X") -> list[str]:
    with pytest.raises(FaultyInput) as caught:
        catalogue(tmp_path, files).load(name)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"X.json": {"b": TASK, "a": [PAIR]}}, [Task("a", (READ_PAIR,), ()), Task("b", (READ_PAIR,), (READ_PAIR,))]),
        ({"X.json": TASK}, [Task("X", (READ_PAIR,), (READ_PAIR,))]),
        ({"X.json": [PAIR, PAIR]}, [Task("X", (READ_PAIR, READ_PAIR), ())]),
        ({"X.json": {**TASK, "test": []}}, [Task("X", (READ_PAIR,), ())]),
        (
            {"X/b.json": TASK, "X/a.JSON": [PAIR], "X/README.md": "no task", "X/.hidden.json": "no task"},
            [Task("a", (READ_PAIR,), ()), Task("b", (READ_PAIR,), (READ_PAIR,))],
        ),
        (
            {
                "X_challenges.json": {"a": {"train": [PAIR], "test": [{"input": [[1]]}, {"input": [[3]]}]}},
                "X_solutions.json": {"a": [[[2]], [[4]]]},
            },
            [Task("a", (READ_PAIR,), (READ_PAIR, Pair(((3,),), ((4,),))))],
        ),
        ({"X.json": "\ufeff" + json.dumps(TASK)}, [Task("X", (READ_PAIR,), (READ_PAIR,))]),
    ],
    ids=["tasks", "one-task", "pairs", "no-test-pairs", "folder", "kaggle", "byte-order-mark"],
)
def test_layouts(tmp_path: Path, files: dict[str, object], expected: list[Task]) -> None:
    assert catalogue(tmp_path, files).load("X") == expected


def test_no_raw_folder_is_no_fault(tmp_path: Path) -> None:
    assert catalogue(tmp_path, {}).names() == []


def with_input(grid: object) -> dict[str, object]:
    return {"train": [PAIR, {"input": grid, "output": [[2]]}], "test": [PAIR]}


KAGGLE_TASK = {"train": [PAIR], "test": [{"input": [[1]]}]}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"X_solutions.json": {"a": [[[1]]]}}, ["raw/X_challenges.json: the file is missing: *_challenges.json and"]),
        (
            {"X_challenges.json": {"a": KAGGLE_TASK, "b": KAGGLE_TASK}, "X_solutions.json": {"b": [[[1]]]}},
            ["raw/X_solutions.json: task a: the solution is missing"],
        ),
        (
            {"X_challenges.json": {"a": KAGGLE_TASK}, "X_solutions.json": {"a": [[[1]], [[2]]], "b": [[[1]]]}},
            [
                "raw/X_solutions.json: task a: expected one solution for each of 1 test pairs (found 2)",
                "raw/X_solutions.json: task b: a solution of no task in raw/X_challenges.json",
            ],
        ),
        (
            {"X_challenges.json": {"a": KAGGLE_TASK}, "X_solutions.json": {"a": [[[10]]]}},
            ["raw/X_solutions.json: task a, test pair 0, output: row 0, column 0: a colour is an integer from 0 to 9"],
        ),
        (
            {"X_challenges.json": {"a": KAGGLE_TASK}, "X_solutions.json": {"a": {"0": [[1]]}}},
            ["raw/X_solutions.json: task a: a solution is a list of output grids (found {'0': [[1]]})"],
        ),
        (
            {"X_challenges.json": "[", "X_solutions.json": "3"},
            [
                "raw/X_challenges.json: line 1, column 2: broken JSON",
                "raw/X_solutions.json: expected an object from task ids to tasks (found 3)",
            ],
        ),
    ],
)
def test_faulty_kaggle_files(tmp_path: Path, files: dict[str, object], expected: list[str]) -> None:
    found = faults(tmp_path, files)
    assert len(found) == len(expected)
    for fault, text in zip(found, expected, strict=True):
        assert fault.startswith(text)


def test_every_fault_of_a_folder_is_in_one_error_and_good_datasets_load(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "X/broken.json": '{"train": [',
        "X/colour.json": with_input([[10]]),
        "X/empty.json": with_input([]),
        "X/float.json": with_input([[1.5]]),
        "X/many.json": {"good": TASK, "twice": TASK},
        "X/nothing.json": {"train": [], "test": [PAIR]},
        "X/output.json": {"train": [PAIR], "test": [{"input": [[1]]}]},
        "X/ragged.json": with_input([[1, 1], [1]]),
        "X/tall.json": with_input([[1]] * 31),
        "X/twice.json": TASK,
        "good.json": TASK,
    }
    found = faults(tmp_path, files)
    assert [text.split(" (found")[0] for text in found] == [
        "raw/X/broken.json: line 1, column 12: broken JSON: Expecting value",
        "raw/X/colour.json: task colour, train pair 1, input: row 0, column 0: a colour is an integer from 0 to 9",
        "raw/X/empty.json: task empty, train pair 1, input: a grid is a non-empty list of rows",
        "raw/X/float.json: task float, train pair 1, input: row 0, column 0: a colour is an integer from 0 to 9",
        "raw/X/nothing.json: task nothing, train: there must be at least one train pair",
        "raw/X/output.json: task output, test pair 0: the output is missing; give it to all test pairs, or to none if "
        "they are to be predicted",
        "raw/X/ragged.json: task ragged, train pair 1, input: row 1: rows have equal lengths",
        "raw/X/tall.json: task tall, train pair 1, input: a grid has at most 30 rows",
        "raw/X/twice.json: task twice: task id is also in raw/X/many.json",
    ]
    read = Catalogue.read(tmp_path)
    assert read.names() == ["X", "good"]
    assert read.load("good") == [Task("good", (READ_PAIR,), (READ_PAIR,))]


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "raw" / "X").mkdir(parents=True)
    [fault] = faults(tmp_path, {})
    assert fault.startswith("raw/X/: has no file of tasks in it: .json, .json.gz, .jsonl, ")


def test_two_sources_of_one_name_are_named_in_one_fault(tmp_path: Path) -> None:
    kaggle: dict[str, object] = {"X_challenges.json": {"a": KAGGLE_TASK}, "X_solutions.json": {"a": [[[1]]]}}
    [fault] = faults(tmp_path, {"X.json": TASK, "X/a.json": TASK, "good.json": TASK, **kaggle})
    assert fault.endswith("rename all but one of raw/X/, raw/X.json, raw/X_challenges.json")
    assert len(Catalogue.read(tmp_path).load("good")) == 1


def test_a_file_that_vanished_is_a_fault(tmp_path: Path) -> None:
    read = catalogue(tmp_path, {"X.json": TASK})
    (tmp_path / "raw" / "X.json").unlink()
    with pytest.raises(FaultyInput, match=r"raw/X\.json: the file is missing: put it back"):
        read.load("X")
    with pytest.raises(FaultyInput, match="the file is missing"):
        read.source_hash("X")
