"""Votes: the order of the candidates, the attempts table and Kaggle's submission, on hand-made candidates."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.voting import (
    ATTEMPTS_SCHEMA,
    GRID_TYPE,
    Candidate,
    RankedCandidate,
    attempts_table,
    grids,
    rank,
    ranked_by_pair,
    submission,
)
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import FaultyInput

RED: Grid = ((2,),)
BLUE: Grid = ((1, 1), (1, 0))
GREEN: Grid = ((3, 3, 3),)
GRIDS = (RED, BLUE, GREEN, ((2, 2),), ((2,), (2,)))
candidate_lists = st.lists(
    st.tuples(st.none() | st.sampled_from(GRIDS), st.none() | st.floats(-9, 0) | st.just(math.nan), st.integers(0, 9)),
    max_size=12,
).map(lambda fields: [Candidate(index, *rest) for index, rest in enumerate(fields)])


def predictions_of(*candidates: Candidate, task_id: str = "a", test_index: int = 0) -> pa.Table:
    rows = [
        {"dataset": "d", "task_id": task_id, "test_index": test_index, "outcome": "decoded" if one.grid else "ragged"}
        | one._asdict()
        for one in candidates
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def test_more_votes_beat_a_higher_probability() -> None:
    ranked = rank(
        [
            Candidate(0, RED, -0.1, 1),
            Candidate(1, BLUE, -4.0, 2),
            Candidate(2, BLUE, -9.0, 3),
            Candidate(3, None, 0.0, 1),
        ]
    )
    assert ranked == [RankedCandidate(BLUE, 2, -2.5, 1), RankedCandidate(RED, 1, -0.1, 0)]


def test_equal_votes_go_to_the_higher_log_probability_per_token() -> None:
    # the sum of BLUE is lower (-4 < -3), its mean per token is higher (-0.5 > -3)
    assert [one.grid for one in rank([Candidate(0, RED, -3.0, 1), Candidate(1, BLUE, -4.0, 8)])] == [BLUE, RED]


def test_the_mean_is_over_samples_and_not_over_tokens() -> None:
    [one] = rank([Candidate(0, RED, -1.0, 1), Candidate(1, RED, -30.0, 10)])
    assert one.mean_logprob == -2.0  # over tokens it would be -31/11


def test_a_full_tie_goes_to_the_first_seen_in_any_order_of_rows() -> None:
    rows = [Candidate(2, RED, -1.0, 1), Candidate(1, BLUE, -1.0, 1)]
    assert rank(rows) == rank(rows[::-1]) == [RankedCandidate(BLUE, 1, -1.0, 1), RankedCandidate(RED, 1, -1.0, 2)]


@pytest.mark.parametrize(("logprob", "n_tokens"), [(None, 3), (math.nan, 3), (-math.inf, 3), (-1.0, 0), (-1.0, None)])
def test_an_unknown_log_probability_loses_ties_and_keeps_its_vote(logprob: float | None, n_tokens: int | None) -> None:
    ranked = rank([Candidate(0, RED, logprob, n_tokens), Candidate(1, BLUE, -99.0, 1)])
    assert ranked == [RankedCandidate(BLUE, 1, -99.0, 1), RankedCandidate(RED, 1, -math.inf, 0)]


@given(candidate_lists, st.randoms())
def test_ranks_do_not_depend_on_the_order_of_rows(candidates: list[Candidate], random: object) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rank(shuffled) == rank(candidates)
    if candidates:
        table, other = predictions_of(*candidates), predictions_of(*shuffled)
        assert attempts_table(other).equals(attempts_table(table))


@given(candidate_lists)
def test_votes_are_descending_and_count_every_decoded_candidate_once(candidates: list[Candidate]) -> None:
    ranked = rank(candidates)
    votes = [one.votes for one in ranked]
    assert votes == sorted(votes, reverse=True)
    assert sum(votes) == sum(one.grid is not None for one in candidates)
    assert len({one.grid for one in ranked}) == len(ranked)


@given(st.lists(st.none() | st.sampled_from(GRIDS), max_size=12), st.integers(0, 12))
def test_grids_read_what_was_written_also_from_slices_and_chunks(values: list[Grid | None], cut: int) -> None:
    column = pa.chunked_array([pa.array(values, GRID_TYPE)])
    assert grids(column) == values
    assert grids(column.slice(cut)) == values[cut:]
    assert grids(pa.chunked_array([*column.slice(cut).chunks, *column.chunks], GRID_TYPE)) == values[cut:] + values


def test_the_attempts_table_ranks_every_test_pair_for_itself() -> None:
    table = pa.concat_tables(
        [
            predictions_of(Candidate(0, RED, -1.0, 1), task_id="b"),
            predictions_of(Candidate(0, None, -1.0, 1), task_id="a", test_index=1),
            predictions_of(Candidate(0, RED, -2.0, 1), Candidate(1, BLUE, -1.0, 2), task_id="a"),
        ]
    )
    attempts = attempts_table(table)
    assert attempts.schema == ATTEMPTS_SCHEMA
    names = ("task_id", "test_index", "rank", "grid", "votes", "mean_logprob", "first_candidate_index")
    assert [tuple(row[name] for name in names) for row in attempts.to_pylist()] == [
        ("a", 0, 1, [[1, 1], [1, 0]], 1, -0.5, 1),
        ("a", 0, 2, [[2]], 1, -2.0, 0),
        ("b", 0, 1, [[2]], 1, -1.0, 0),
    ]
    assert ranked_by_pair(attempts)["d", "b", 0] == [RankedCandidate(RED, 1, -1.0, 0)]


def test_no_predictions_make_no_attempts() -> None:
    assert attempts_table(PREDICTION_SCHEMA.empty_table()).equals(ATTEMPTS_SCHEMA.empty_table())


def test_a_candidate_with_two_rows_is_refused() -> None:
    with pytest.raises(FaultyInput, match="d, task a, test pair 0, candidate 7"):
        attempts_table(predictions_of(Candidate(7, RED, -1.0, 1), Candidate(7, BLUE, -1.0, 1)))


def test_the_submission_has_every_task_every_test_pair_and_both_attempts() -> None:
    pair = Pair(RED, RED)
    tasks = [Task("b", (pair,), (pair,)), Task("a", (pair,), (pair, pair))]
    three = (Candidate(0, RED, -1.0, 1), Candidate(1, BLUE, -2.0, 1), Candidate(2, GREEN, -3.0, 1))
    attempts = attempts_table(
        pa.concat_tables([predictions_of(*three, test_index=1), predictions_of(three[1], task_id="b")])
    )
    assert submission(attempts, tasks, "d") == {
        "b": [{"attempt_1": [[1, 1], [1, 0]], "attempt_2": [[0]]}],
        "a": [{"attempt_1": [[0]], "attempt_2": [[0]]}, {"attempt_1": [[2]], "attempt_2": [[1, 1], [1, 0]]}],
    }


def test_the_submission_takes_one_dataset_only() -> None:
    attempts = attempts_table(predictions_of(Candidate(0, RED, -1.0, 1)))
    task = Task("a", (), (Pair(RED, RED),))
    assert submission(attempts, [task], "other") == {"a": [{"attempt_1": [[0]], "attempt_2": [[0]]}]}
