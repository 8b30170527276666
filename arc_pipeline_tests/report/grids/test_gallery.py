"""What a gallery says of a test pair, on one with three hand-written answers."""

from dataclasses import replace

import pyarrow as pa
import pytest

from arc_pipeline.arc.evaluation.voting import RankedCandidate, attempts_table
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.prediction.prompt_samples import SAMPLE_TASKS
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.report.grids.gallery import (
    AnsweredPair,
    answered_pairs,
    answers_board,
    gallery,
    task_board,
    worth_a_look,
)

ONE_PAIR = (Pair(((1,),), ((2,),)),)


def test_the_board_of_an_answered_pair(answered: AnsweredPair) -> None:
    board = answers_board([answered])
    assert board.title == "task swap of d: e, t1.0"
    shown, answers = board.rows
    assert [(stack.label, len(stack.panels)) for stack in shown.stacks] == [
        ("train 0", 2),
        ("train 1", 2),
        ("test 0", 1),
    ]
    assert answers.heading == "test 0: found but outvoted (n = 10, 8 decoded)"
    assert [stack.label for stack in answers.stacks] == [
        "right output\nrank 3",
        "rank 1: 5 votes\n✗ 1 of 4 wrong",
        "rank 2: 2 votes\nsize 1x3 for 2x2",
        "rank 3: 1 vote\n✓ right",
    ]
    assert [sorted(stack.panels[0].marked) for stack in answers.stacks] == [[], [(1, 1)], [], []]
    assert [stack.bold for stack in answers.stacks] == [False, False, False, True]


@pytest.mark.parametrize(
    ("ranked", "answered_count", "words"),
    [
        ([((1, 2), (3, 4))], 9, "solved within two attempts (n = 9, 1 decoded)"),
        ([((1, 2), (3, 0))], 9, "wrong pixels, 1 of 4 (n = 9, 1 decoded)"),
        ([((1, 2),)], 9, "wrong size (n = 9, 1 decoded)"),
        ([], 9, "undecodable, no answer is a grid (n = 9, 0 decoded)"),
        ([], 0, "no prediction (n = 0, 0 decoded)"),
    ],
)
def test_the_reason_in_words(answered: AnsweredPair, ranked: list, answered_count: int, words: str) -> None:
    candidates = tuple(RankedCandidate(grid, 1, -0.1, 0) for grid in ranked)
    [_, row] = answers_board([replace(answered, ranked=candidates, answered=answered_count)]).rows
    assert row.heading == f"test 0: {words}"
    assert len(row.stacks) == 1 + len(ranked)


def test_only_the_top_is_shown(answered: AnsweredPair) -> None:
    assert len(answers_board([answered], top=1).rows[1].stacks) == 2


def test_the_three_tasks_come_first_then_what_failed(answered: AnsweredPair) -> None:
    solved = (RankedCandidate(((2,),), 1, -0.1, 0),)
    named = [AnsweredPair("d", Task(name, ONE_PAIR, ONE_PAIR), 0, solved, 1, "e") for name in ("x", *SAMPLE_TASKS)]
    assert [pair.task.task_id for pair in worth_a_look([answered, *named])] == [*SAMPLE_TASKS, "swap"]
    assert worth_a_look(named[:1] * 4) == named[:1] * 3


def test_pairs_without_answers_are_there_too() -> None:
    tasks = [Task("asked", ONE_PAIR, ONE_PAIR * 2), Task("silent", ONE_PAIR, ONE_PAIR)]
    row = {
        "dataset": "d",
        "task_id": "asked",
        "test_index": 1,
        "candidate_index": 0,
        "grid": [[2]],
        "outcome": "decoded",
    }
    table = pa.Table.from_pylist([row], schema=PREDICTION_SCHEMA)
    found = list(answered_pairs({"d": tasks}, table, attempts_table(table), "e"))
    assert [(pair.task.task_id, pair.test_index, pair.answered, len(pair.ranked)) for pair in found] == [
        ("asked", 0, 0, 0),
        ("asked", 1, 1, 1),
        ("silent", 0, 0, 0),
    ]


def test_a_gallery_has_a_picture_for_each_pair(answered: AnsweredPair) -> None:
    pictures = gallery([answered, answered], "svg")
    assert len(pictures) == 2
    assert all(b"found but outvoted" in svg for svg in pictures)


def test_a_task_is_drawn_with_its_right_outputs(answered: AnsweredPair) -> None:
    [row] = task_board(answered.task, "d").rows
    assert [stack.label for stack in row.stacks] == ["train 0", "train 1", "test 0"]
    assert all(len(stack.panels) == 2 for stack in row.stacks)
