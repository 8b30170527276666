"""Reasons of failure, one test pair for each."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.failures import (
    FAILURES_SCHEMA,
    NEAREST_FIRST,
    REASONS,
    failures_table,
    loss_counts,
    sorted_failures,
)
from arc_pipeline.arc.evaluation.metric_tables import per_pair
from arc_pipeline.arc.evaluation.selection import with_score_ranks
from arc_pipeline.arc.evaluation.voting import attempts_table
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import ArcPipelineError

TRUE: Grid = ((1, 2), (3, 4))
ONE_OFF: Grid = ((1, 2), (3, 0))
THREE_OFF: Grid = ((1, 0), (0, 0))
WIDE: Grid = ((1, 2, 3, 4),)
SMALL: Grid = ((1,),)


def tasks_and_predictions(grids_of: dict[str, list[Grid | None]]) -> tuple[dict[str, list[Task]], pa.Table]:
    rows = [
        {"dataset": "d", "task_id": task_id, "test_index": 0, "candidate_index": index, "grid": grid}
        | {"outcome": "decoded" if grid else "ragged", "logprob": -1.0 - index, "n_tokens": 1}
        for task_id, grids in grids_of.items()
        for index, grid in enumerate(grids)
    ]
    tasks = [Task(task_id, (), (Pair(TRUE, TRUE),)) for task_id in grids_of]
    return {"d": tasks}, pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def test_each_reason_by_hand() -> None:
    tasks, predictions = tasks_and_predictions(
        {
            "first": [TRUE, TRUE, WIDE],
            "second": [WIDE, WIDE, TRUE],
            "third": [WIDE, WIDE, ONE_OFF, ONE_OFF, TRUE],
            "pixels": [WIDE, WIDE, None, THREE_OFF, THREE_OFF, ONE_OFF],
            "size": [WIDE, SMALL, None],
            "text": [None, None],
            "nothing": [],
        }
    )
    table = failures_table(predictions, attempts_table(predictions), tasks)
    assert table.schema == FAILURES_SCHEMA
    names = ("task_id", "reason", "wrong_cells", "votes_of_top", "rank_of_truth", "n_decoded")
    assert [tuple(row[name] for name in names) for row in table.to_pylist()] == [
        ("first", "solved", None, 2, 1, 3),
        ("second", "solved", None, 2, 2, 3),
        ("third", "outvoted", None, 2, 3, 5),
        ("pixels", "wrong_pixels", 3, 2, None, 5),  # WIDE is ranked first, THREE_OFF second
        ("size", "wrong_size", None, 1, None, 2),
        ("text", "undecodable", None, 0, None, 0),
        ("nothing", "no_prediction", None, 0, None, 0),
    ]


@given(st.lists(st.none() | st.sampled_from([TRUE, ONE_OFF, THREE_OFF, WIDE, SMALL]), max_size=8))
def test_reasons_agree_with_the_metrics(grids: list[Grid | None]) -> None:
    tasks, predictions = tasks_and_predictions({"a": grids})
    attempts = attempts_table(predictions)
    [failure] = failures_table(predictions, attempts, tasks).to_pylist()
    [metrics] = per_pair(predictions, attempts, tasks, 8).to_pylist()
    assert failure["reason"] in REASONS
    assert (failure["reason"] == "solved") == (metrics["vote_2"] == 1)
    assert (failure["reason"] in ("solved", "outvoted")) == (metrics["pass_n"] == 1) == bool(failure["rank_of_truth"])
    assert (failure["reason"] == "no_prediction") == (metrics["answered"] == 0)
    assert failure["n_decoded"] == metrics["decoded"]


def failures_to_sort() -> pa.Table:
    named = [("undecodable", None, None), ("wrong_pixels", 3, None), ("outvoted", None, 7), ("wrong_pixels", 1, None)]
    named += [("no_prediction", None, None), ("wrong_size", None, None), ("outvoted", None, 3), ("solved", None, 1)]
    names = ("reason", "wrong_cells", "rank_of_truth")
    rows = [dict(zip(names, each, strict=True)) | {"votes_of_top": 1} for each in named]
    return pa.Table.from_pylist(rows, schema=FAILURES_SCHEMA)


def test_the_nearest_to_solved_come_first() -> None:
    rows = sorted_failures(failures_to_sort()).to_pylist()
    ordered = [(row["reason"], row["wrong_cells"] or row["rank_of_truth"]) for row in rows]
    near = [("solved", 1), ("outvoted", 3), ("outvoted", 7), ("wrong_pixels", 1), ("wrong_pixels", 3)]
    assert ordered == [*near, ("wrong_size", None), ("undecodable", None), ("no_prediction", None)]
    assert sorted_failures(failures_to_sort(), reverse=True)["reason"][0].as_py() == "no_prediction"
    assert sorted(NEAREST_FIRST) == sorted(REASONS)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_without_a_value_come_last(reverse: bool) -> None:
    values = sorted_failures(failures_to_sort(), "wrong_cells", reverse)["wrong_cells"].to_pylist()
    assert values[:2] == ([3, 1] if reverse else [1, 3])
    assert set(values[2:]) == {None}


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(ArcPipelineError, match="unknown column 'reasn'; did you mean 'reason'"):
        sorted_failures(failures_to_sort(), "reasn")


def test_a_lost_pair_was_not_found_or_not_chosen() -> None:
    tasks, predictions = tasks_and_predictions(
        {
            "solved": [TRUE, TRUE, WIDE],
            "outvoted": [WIDE, WIDE, ONE_OFF, ONE_OFF, TRUE],
            "likelier": [WIDE, SMALL],
            "unlikely": [WIDE, SMALL],
            "nothing": [None],
        }
    )
    scores = {WIDE: [-3.7, -3.7], ONE_OFF: [-3.0, -3.0], SMALL: [-8.0, -8.0], TRUE: [-3.5, -3.0]}
    found = {("d", task.task_id, 0): scores for task in tasks["d"]}
    right = {key: {TRUE: [-1.0, -2.0]} for key in found} | {("d", "unlikely", 0): {TRUE: [-90.0, -2.0]}}
    attempts = with_score_ranks(attempts_table(predictions), found)
    table = failures_table(predictions, attempts, tasks, right)
    rows = {row["task_id"]: row for row in table.to_pylist()}
    assert rows["outvoted"]["rank_of_truth"] == 3
    assert rows["outvoted"]["score_rank_of_truth"] == 2
    assert rows["outvoted"]["both_rank_of_truth"] == 3
    assert rows["outvoted"]["top_score"] == -6.0
    assert rows["likelier"]["score_rank_of_truth"] is None
    assert rows["likelier"]["score_of_truth"] == -3.0
    assert rows["likelier"]["logprobs_of_truth"] == [-1.0, -2.0]
    assert rows["nothing"]["top_score"] is None
    assert loss_counts(table) == {
        **{"not_found": 3, "not_found_but_likelier": 2, "not_chosen": 1},
        **{"chosen_by_score": 1, "chosen_by_both": 0},
    }
    too_long = {key: {grid: [-math.inf, -1.0] for grid in scores} for key in found}
    attempts = with_score_ranks(attempts_table(predictions), too_long)
    table = failures_table(predictions, attempts, tasks, {key: {TRUE: [-math.inf, -1.0]} for key in found})
    assert {*table["top_score"].to_pylist(), *table["score_of_truth"].to_pylist()} == {None}
    assert loss_counts(table)["not_found_but_likelier"] == 0
    unscored = failures_table(predictions, attempts_table(predictions), tasks)
    assert {name: loss_counts(unscored)[name] for name in ("not_found", "not_chosen")} == {
        "not_found": 3,
        "not_chosen": 1,
    }
