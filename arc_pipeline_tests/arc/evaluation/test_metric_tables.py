"""Metrics on a hand-made table, worked out by hand; their order as a property."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.metric_tables import aggregate, per_pair, per_task
from arc_pipeline.arc.evaluation.metrics import PAIR_METRICS, TASK_METRICS
from arc_pipeline.arc.evaluation.selection import with_score_ranks
from arc_pipeline.arc.evaluation.voting import ATTEMPTS_SCHEMA, attempts_table
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import FaultyInput

TRUE: Grid = ((1, 2), (3, 4))
ONE_OFF: Grid = ((1, 2), (3, 0))  # 3 of 4 cells match
ALL_OFF: Grid = ((0, 0), (0, 0))
WIDE: Grid = ((1, 2, 3, 4),)  # as many cells as TRUE, another shape
ASKED = Pair(TRUE, TRUE)
TASKS = {
    "d": [Task("two", (ASKED,), (ASKED, ASKED)), Task("one", (ASKED,), (ASKED,)), Task("none", (ASKED,), (ASKED,))],
    "pairs-only": [Task("generated", (ASKED,), ())],
}
candidates = st.lists(st.none() | st.sampled_from([TRUE, ONE_OFF, ALL_OFF, WIDE, ((1,),)]), max_size=8)


def predictions_of(grids_of: dict[tuple[str, int], list[Grid | None]]) -> pa.Table:
    rows = [
        {"dataset": "d", "task_id": task_id, "test_index": test_index, "candidate_index": index, "grid": grid}
        | {"outcome": "decoded" if grid else "ragged", "logprob": -1.0 - index, "n_tokens": 1}
        for (task_id, test_index), grids in grids_of.items()
        for index, grid in enumerate(grids)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def pairs_of(grids_of: dict[tuple[str, int], list[Grid | None]], planned: int = 4) -> pa.Table:
    predictions = predictions_of(grids_of)
    return per_pair(predictions, attempts_table(predictions), TASKS, planned)


def one_pair(grids: list[Grid | None], planned: int = 8) -> dict[str, Any]:
    rows = pairs_of({("one", 0): grids}, planned).to_pylist()
    return next(row for row in rows if row["task_id"] == "one")


@pytest.fixture
def pairs() -> pa.Table:
    return pairs_of(
        {
            ("two", 0): [TRUE, TRUE, ONE_OFF, WIDE],
            ("two", 1): [ONE_OFF, ALL_OFF, TRUE],  # one vote each: the log-probabilities rank TRUE third
            ("one", 0): [WIDE, None, None, TRUE],  # TRUE is ranked second
        }
    )


def test_per_pair_by_hand(pairs: pa.Table) -> None:
    names = ("task_id", "test_index", "n", "answered", "decoded", *PAIR_METRICS)
    assert [tuple(row[name] for name in names) for row in pairs.to_pylist()] == [
        # accuracy, correct_size, correct_pixels, unanswered, pass_n, vote_1, vote_2
        ("two", 0, 4, 4, 4, 2 / 4, 3 / 4, (1 + 1 + 0.75) / 4, 0 / 4, 1, 1, 1),
        ("two", 1, 4, 3, 3, 1 / 4, 3 / 4, (0.75 + 0 + 1) / 4, 1 / 4, 1, 0, 0),
        ("one", 0, 4, 4, 2, 1 / 4, 1 / 4, 1 / 4, 2 / 4, 1, 0, 1),
        ("none", 0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0),
    ]


def test_per_task_by_hand(pairs: pa.Table) -> None:
    names = ("task_id", "test_pairs", "n", "planned", "answered", "decoded", *TASK_METRICS)
    assert [tuple(row[name] for name in names) for row in per_task(pairs).to_pylist()] == [
        ("two", 2, 4, 8, 7, 7, 3 / 8, 3 / 4, (2.75 + 1.75) / 8, 1 / 8, 1, 0.5, 0.5, 0.5, 0),
        ("one", 1, 4, 4, 4, 2, 1 / 4, 1 / 4, 1 / 4, 1 / 2, 1, 0, 1, 1, 1),
        ("none", 1, 4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0),
    ]


def test_aggregate_by_hand(pairs: pa.Table) -> None:
    [row] = aggregate(per_task(pairs), pairs)
    assert {name: row[name] for name in ("dataset", "n", "planned", "answered", "decoded", "tasks", "test_pairs")} == {
        "dataset": "d",
        "n": 4,
        "planned": 16,
        "answered": 11,
        "decoded": 9,
        "tasks": 3,
        "test_pairs": 4,
    }
    assert {name: row[name] for name in (*TASK_METRICS, "pair_score")} == pytest.approx(
        {
            "accuracy": (3 / 8 + 1 / 4 + 0) / 3,
            "correct_size": (3 / 4 + 1 / 4 + 0) / 3,
            "correct_pixels": (4.5 / 8 + 1 / 4 + 0) / 3,
            "unanswered": (1 / 8 + 1 / 2 + 1) / 3,
            "pass_n": 2 / 3,
            "vote_1": 0.5 / 3,
            "vote_2": 1.5 / 3,
            "task_score": 1.5 / 3,  # (1/2 + 1 + 0) / 3 tasks
            "task_solved": 1 / 3,
            "pair_score": 2 / 4,  # of the four test pairs, two are solved
        }
    )


def test_macro_and_micro_average_differ_where_tasks_have_unequal_numbers_of_pairs() -> None:
    pairs = pairs_of({("two", 0): [TRUE], ("two", 1): [TRUE]}, planned=1)
    [row] = aggregate(per_task(pairs), pairs)
    assert (row["task_score"], row["pair_score"], row["task_solved"]) == (1 / 3, 2 / 4, 1 / 3)


def test_every_dataset_has_its_own_row() -> None:
    tasks = {"e": TASKS["d"][:1], "d": TASKS["d"]}
    pairs = per_pair(PREDICTION_SCHEMA.empty_table(), ATTEMPTS_SCHEMA.empty_table(), tasks, 2)
    rows = aggregate(per_task(pairs), pairs)
    assert [(row["dataset"], row["planned"], row["unanswered"]) for row in rows] == [("e", 4, 1.0), ("d", 8, 1.0)]


def test_nothing_planned_makes_empty_tables() -> None:
    pairs = per_pair(PREDICTION_SCHEMA.empty_table(), ATTEMPTS_SCHEMA.empty_table(), {}, 4)
    assert per_task(pairs).num_rows == pairs.num_rows == 0
    assert aggregate(per_task(pairs), pairs) == []


def test_predictions_of_an_unplanned_pair_are_refused() -> None:
    with pytest.raises(FaultyInput, match="d, task stranger, test pair 0: only planned"):
        pairs_of({("stranger", 0): [TRUE]})


def test_more_candidates_than_planned_are_refused() -> None:
    with pytest.raises(FaultyInput, match=r"d, task one, test pair 0: at most 2 .*\(found 3 rows\)"):
        pairs_of({("one", 0): [TRUE, None, TRUE]}, planned=2)


def test_attempts_of_other_predictions_are_refused() -> None:
    attempts = attempts_table(predictions_of({("one", 0): [TRUE]}))
    with pytest.raises(FaultyInput, match=r"attempts: d, task one, test pair 0: votes must be the 2 .*found 1 votes"):
        per_pair(predictions_of({("one", 0): [TRUE, TRUE]}), attempts, TASKS, 4)


@given(candidates)
def test_metrics_are_ordered(grids: list[Grid | None]) -> None:
    row = one_pair(grids)
    assert 0 <= row["vote_1"] <= row["vote_2"] <= row["pass_n"] <= 1
    assert 0 <= row["accuracy"] <= row["correct_pixels"] <= row["correct_size"] <= 1 - row["unanswered"] <= 1
    assert (row["accuracy"] > 0) == (row["pass_n"] == 1)


@given(candidates.filter(lambda grids: len(grids) < 8))
def test_an_undecodable_candidate_counts_as_a_missing_one(grids: list[Grid | None]) -> None:
    before, after = one_pair(grids), one_pair([*grids, None])
    assert {name: after[name] for name in PAIR_METRICS} == {name: before[name] for name in PAIR_METRICS}


@given(candidates.filter(lambda grids: 0 < len(grids) < 8))
def test_a_planned_undecodable_candidate_never_raises_a_metric(grids: list[Grid | None]) -> None:
    before, after = one_pair(grids, planned=len(grids)), one_pair([*grids, None], planned=len(grids) + 1)
    assert all(after[name] <= before[name] for name in PAIR_METRICS if name != "unanswered")
    assert after["unanswered"] >= before["unanswered"]


@given(st.lists(candidates, min_size=4, max_size=4), st.integers(0, 9))
def test_intervals_contain_the_mean_and_depend_on_the_seed_only(lists: list[list[Grid | None]], seed: int) -> None:
    keys = [("two", 0), ("two", 1), ("one", 0), ("none", 0)]
    pairs = pairs_of(dict(zip(keys, lists, strict=True)), planned=8)
    [row] = aggregate(per_task(pairs), pairs, seed=seed)
    assert set(row["intervals"]) == {*TASK_METRICS, "pair_score"}
    assert all(0 <= low <= row[metric] <= high <= 1 for metric, (low, high) in row["intervals"].items())
    assert aggregate(per_task(pairs), pairs, seed=seed) == [row]


def test_other_rankings_have_metrics_of_their_own() -> None:
    predictions = predictions_of({("two", 0): [WIDE, WIDE, ALL_OFF, ONE_OFF, TRUE], ("one", 0): [TRUE, WIDE]})
    scores = {
        ("d", "two", 0): {TRUE: [-1.0], WIDE: [-2.0], ONE_OFF: [-3.0], ALL_OFF: [-9.0]},
        ("d", "one", 0): {TRUE: [-1.0], WIDE: [-2.0]},
    }
    attempts = attempts_table(predictions)
    by_votes = per_pair(predictions, attempts, TASKS, 5)
    pairs = per_pair(predictions, with_score_ranks(attempts, scores), TASKS, 5)
    assert pairs.drop_columns(["score_2", "both_2"]) == by_votes
    rows = {(row["task_id"], row["test_index"]): row for row in pairs.to_pylist()}
    assert [rows["two", 0][name] for name in ("vote_2", "score_2", "both_2")] == [0, 1, 1]
    assert [rows["none", 0][name] for name in ("vote_2", "score_2", "both_2")] == [0, 0, 0]
    tasks = per_task(pairs)
    assert dict(zip(tasks["task_id"].to_pylist(), tasks["score_2"].to_pylist(), strict=True))["two"] == 0.5
    [row] = aggregate(tasks, pairs)
    assert row["score_2"] == pytest.approx(0.5)
    assert row["intervals"]["score_2"][0] <= 0.5 <= row["intervals"]["score_2"][1]
    assert "score_2" not in aggregate(per_task(by_votes), by_votes)[0]
