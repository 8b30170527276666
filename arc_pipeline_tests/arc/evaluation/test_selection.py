"""Candidates ranked by log-probabilities under views, and by votes and these together, on hand-made scores."""

import math
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.selection import (
    log_mean,
    scores_of_attempts,
    scores_table,
    stored_scores,
    with_score_ranks,
)
from arc_pipeline.arc.evaluation.voting import attempts_table, ranked_by_pair, rankings_of, submission
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import FaultyInput

KEY = ("d", "a", 0)
RED: Grid = ((2,),)
BLUE: Grid = ((1, 1), (1, 0))
GREEN: Grid = ((3, 3, 3),)


def attempts_of(*grids: Grid) -> pa.Table:
    """The attempts of one test pair with these candidates."""
    rows = [
        {"dataset": "d", "task_id": "a", "test_index": 0, "candidate_index": index, "grid": grid}
        | {"outcome": "decoded", "logprob": -1.0, "n_tokens": 1}
        for index, grid in enumerate(grids)
    ]
    return attempts_table(pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA))


def order(attempts: pa.Table, ranking: str) -> list[Grid]:
    return [one.grid for one in ranked_by_pair(attempts, ranking)[KEY]]


def test_a_product_of_probabilities_beats_votes_and_a_single_view() -> None:
    attempts = attempts_of(RED, RED, RED, BLUE, GREEN)
    scores = {KEY: {RED: [-1.0, -9.0], BLUE: [-4.0, -4.5], GREEN: [-0.1, -30.0]}}
    ranked = with_score_ranks(attempts, scores)
    assert order(ranked, "vote") == [RED, BLUE, GREEN]
    assert order(ranked, "score") == [BLUE, RED, GREEN]
    # log(3) - 5 against log(1) - 4.25
    assert order(ranked, "both") == [RED, BLUE, GREEN]
    assert ranked["score"].to_pylist() == [-10.0, -8.5, -30.1]
    assert ranked.drop_columns(["score", "score_rank", "both_rank"]) == attempts


def test_equal_scores_keep_the_order_of_votes() -> None:
    scores = {KEY: {RED: [-1.0], BLUE: [-1.0], GREEN: [-math.inf]}}
    ranked = with_score_ranks(attempts_of(BLUE, RED, RED, GREEN), scores)
    assert order(ranked, "score") == order(ranked, "both") == [RED, BLUE, GREEN]


def test_each_ranking_has_its_own_attempts() -> None:
    task = Task("a", (Pair(RED, RED),), (Pair(RED, RED),))
    scores = {KEY: {RED: [-9.0], BLUE: [-8.0], GREEN: [-7.0]}}
    ranked = with_score_ranks(attempts_of(RED, RED, BLUE, GREEN), scores)
    assert rankings_of(ranked) == ["vote", "score", "both"]
    chosen = {name: [*submission(ranked, [task], "d", name)["a"][0].values()] for name in ("vote", "score")}
    as_lists = {name: [list(map(list, grid)) for grid in (RED, BLUE, GREEN)] for name in chosen}
    assert chosen["vote"] == as_lists["vote"][:2]
    assert chosen["score"] == as_lists["score"][:0:-1]


def test_a_candidate_without_a_score_is_named() -> None:
    with pytest.raises(FaultyInput, match=r"d, task a, test pair 0: every candidate has a score.*1 of 2 without"):
        with_score_ranks(attempts_of(RED, BLUE), {KEY: {RED: [-1.0]}})


def test_attempts_without_candidates_have_the_columns() -> None:
    ranked = with_score_ranks(attempts_of(), {})
    assert rankings_of(ranked) == ["vote", "score", "both"]
    assert scores_of_attempts(ranked) == {}
    assert scores_of_attempts(attempts_of(RED)) is None


logprobs = st.lists(st.floats(-500, 0), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.integers(0, 4), logprobs), min_size=1, max_size=12))
def test_ranks_are_an_order_of_all_candidates(drawn: list[tuple[int, list[float]]]) -> None:
    grids = [((colour,),) for colour, _ in drawn]
    n_views = min(len(of_grid) for _, of_grid in drawn)
    scores = {((colour,),): of_grid[:n_views] for colour, of_grid in drawn}
    ranked = with_score_ranks(attempts_of(*grids), {KEY: scores})
    for column in ("rank", "score_rank", "both_rank"):
        assert sorted(ranked[column].to_pylist()) == [*range(1, ranked.num_rows + 1)]
    sums = [math.fsum(scores[grid]) for grid in order(ranked, "score")]
    assert sums == sorted(sums, reverse=True)
    votes = {grid: grids.count(grid) for grid in grids}
    both = [math.log(votes[grid]) + math.fsum(scores[grid]) / n_views for grid in order(ranked, "both")]
    assert both == sorted(both, reverse=True)


@given(logprobs)
def test_the_mean_is_of_probabilities(values: Sequence[float]) -> None:
    assert log_mean([value / 10 for value in values]) == pytest.approx(
        math.log(sum(math.exp(value / 10) for value in values) / len(values)), abs=1e-9
    )


def test_the_mean_of_nothing_likely() -> None:
    assert log_mean([-math.inf, -math.inf]) == -math.inf
    assert log_mean([-2000.0, -2000.0]) == -2000.0


def test_scores_are_read_as_they_were_written() -> None:
    table = scores_table([(KEY, RED, [-1.0, -2.5], [3, 3]), (KEY, BLUE, [-4.0, -math.inf], [6, 6])])
    assert stored_scores(table) == {KEY: {RED: [-1.0, -2.5], BLUE: [-4.0, -math.inf]}}
    assert table["logprob_sum"].to_pylist() == [-3.5, -math.inf]
    assert table["logprob_min"].to_pylist() == [-2.5, -math.inf]
    assert table["logprob_mean"][1].as_py() == pytest.approx(-4 - math.log(2))
