"""Scores of hand-made submissions in Kaggle's format, whole and broken."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.score import read_submission, score_submission
from arc_pipeline.arc.evaluation.voting import ATTEMPTS_SCHEMA, submission
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import FaultyInput

FIRST: Grid = ((1, 2), (3, 4))
SECOND: Grid = ((5,),)
ONE = Task("one", (), (Pair(FIRST, FIRST),))
TWO = Task("two", (), (Pair(FIRST, FIRST), Pair(SECOND, SECOND)))
TASKS = [ONE, TWO]
WRONG = [[9]]


def entry(first: Any, second: Any) -> dict[str, Any]:
    return {"attempt_1": first, "attempt_2": second}


def whole() -> dict[str, Any]:
    """`one` is solved by its second attempt, `two` in one of its two test pairs."""
    right = [list(row) for row in FIRST]
    return {"one": [entry(WRONG, right)], "two": [entry(right, WRONG), entry(right, right)]}


def test_by_hand() -> None:
    assert score_submission(whole(), TASKS, "s.json") == {
        "task_score": (1 + 1 / 2) / 2,
        "pair_score": 2 / 3,
        "solved": 1,
        "tasks": 2,
        "solved_pairs": 2,
        "test_pairs": 3,
        "missing_tasks": [],
        "unknown_tasks": [],
        "problems": [],
    }


def test_missing_tasks_count_zero_and_unknown_tasks_nothing() -> None:
    result = score_submission({"two": whole()["two"], "zzz": [], "yyy": [entry(WRONG, WRONG)]}, TASKS, "s.json")
    assert (result["task_score"], result["pair_score"], result["solved"]) == (1 / 4, 1 / 3, 0)
    assert (result["missing_tasks"], result["unknown_tasks"]) == (["one"], ["yyy", "zzz"])


def test_an_empty_submission_scores_zero() -> None:
    result = score_submission({}, TASKS, "s.json")
    assert (result["task_score"], result["pair_score"], result["missing_tasks"]) == (0, 0, ["one", "two"])


@pytest.mark.parametrize("name", ["attempt_1", "attempt_2"])
def test_one_attempt_is_enough(name: str) -> None:
    result = score_submission({"one": [{name: [[1, 2], [3, 4]]}]}, [ONE], "s.json")
    assert (result["task_score"], result["problems"]) == (1, [])


def test_a_third_attempt_counts_nothing() -> None:
    submitted = {"one": [entry(WRONG, WRONG) | {"attempt_3": [[1, 2], [3, 4]]}]}
    assert score_submission(submitted, [ONE], "s.json")["solved"] == 0


def test_the_order_of_test_pairs_matters() -> None:
    swapped = {"two": [entry([[5]], WRONG), entry([[1, 2], [3, 4]], WRONG)]}
    assert score_submission(swapped, [TWO], "s.json")["solved_pairs"] == 0


@pytest.mark.parametrize(
    ("entries", "task_score", "problem"),
    [
        ([entry([[1, 2], [3, 4]], WRONG)], 0.5, "s.json: task two: the task has 2 test pair(s) (found 1)"),
        ([entry([[1, 2], [3, 4]], WRONG), entry([[5]], WRONG), entry(WRONG, WRONG)], 1, "(found 3)"),
        ([{}, entry([[5]], WRONG)], 0.5, "s.json: task two, test pair 0: there is no attempt (found {})"),
        ([entry(None, None), entry([[5]], WRONG)], 0.5, "test pair 0: there is no attempt"),
        (
            [entry(FIRST, WRONG), entry("5", [[5]])],
            1,
            "test pair 1, attempt_1: a grid is a non-empty list of rows, found '5'",
        ),
        (
            [entry([[1, 2], [3]], WRONG), entry([[5]], WRONG)],
            0.5,
            "test pair 0, attempt_1: row 1: rows have equal lengths",
        ),
        (
            [entry(FIRST, []), entry([[5.0]], WRONG)],
            0.5,
            "test pair 1, attempt_1: row 0: a colour is an integer from 0 to 9",
        ),
    ],
)
def test_what_kaggle_counts_as_wrong_is_wrong_and_told(entries: list[Any], task_score: float, problem: str) -> None:
    result = score_submission({"two": entries}, [TWO], "s.json")
    assert result["task_score"] == task_score
    assert any(problem in told for told in result["problems"]), result["problems"]


@pytest.mark.parametrize(
    ("submitted", "told"),
    [
        ([], r"s\.json: a submission is .*found \[\]"),
        ({"one": entry(WRONG, WRONG)}, r"s\.json: task one: a submission is .*attempt_1"),
        ({"two": [WRONG]}, r"s\.json: task two, test pair 0: a submission is .*found \[\[9\]\]"),
        ({"one": None, "two": 3}, r"2 problems found"),
    ],
)
def test_another_structure_is_refused_with_every_fault(submitted: object, told: str) -> None:
    with pytest.raises(FaultyInput, match=told):
        score_submission(submitted, TASKS, "s.json")


def test_tasks_without_test_pairs_ask_nothing() -> None:
    generated = Task("generated", (Pair(FIRST, FIRST),), ())
    result = score_submission({"one": [entry(FIRST, WRONG)], "generated": []}, [ONE, generated], "s.json")
    assert (result["task_score"], result["tasks"], result["unknown_tasks"]) == (1, 1, [])
    with pytest.raises(FaultyInput, match="no test pairs"):
        score_submission({}, [generated], "s.json")


def test_a_submission_of_fillers_is_well_formed_and_scores_zero() -> None:
    result = score_submission(submission(ATTEMPTS_SCHEMA.empty_table(), TASKS, "d"), TASKS, "s.json")
    assert (result["task_score"], result["missing_tasks"], result["problems"]) == (0, [], [])


@given(st.lists(st.sampled_from([[[1, 2], [3, 4]], [[5]], WRONG, [], None, "x"]), min_size=6, max_size=6))
def test_scores_are_shares_and_in_order(grids: list[Any]) -> None:
    entries = [entry(*grids[start : start + 2]) for start in (0, 2, 4)]
    result = score_submission({"one": entries[:1], "two": entries[1:]}, TASKS, "s.json")
    assert 0 <= result["solved"] / result["tasks"] <= result["task_score"] <= 1
    assert 0 <= result["pair_score"] <= 1


def test_reading_gives_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text(json.dumps(whole()))
    assert read_submission(path) == whole()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    broken, binary = tmp_path / "broken.json", tmp_path / "binary.json"
    broken.write_text('{"one": [')
    binary.write_bytes(b"\xff\xfe\x00")
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 200_000)
    for path, told in (
        (broken, "line 1, column 10: broken JSON"),
        (binary, "broken JSON"),
        (deep, "broken JSON"),
        (tmp_path / "no.json", "the file is missing"),
    ):
        with pytest.raises(FaultyInput, match=f"{path.name}: .*{told}"):
            read_submission(path)
