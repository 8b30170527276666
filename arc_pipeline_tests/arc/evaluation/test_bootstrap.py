"""Paired differences of hand-made tables, and the width of bootstrap intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.bootstrap import paired_difference, winner
from arc_pipeline.errors import FaultyInput


def tasks_table(values: list[float], dataset: str = "d") -> pd.DataFrame:
    ids = [str(index) for index in range(len(values))]
    return pd.DataFrame({"dataset": [dataset] * len(values), "task_id": ids, "vote_2": values})


def test_a_bootstrap_interval_has_about_the_width_of_the_normal_one() -> None:
    difference, low, high = paired_difference(
        tasks_table([1.0] * 200 + [0.0] * 200), tasks_table([0.0] * 400), "vote_2"
    )
    assert difference == 0.5
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.006)  # sd of the mean: 0.5 / 20


def test_pairing_makes_a_constant_difference_certain() -> None:
    a, b = tasks_table([0.25, 0.5, 1.0, 0.75]), tasks_table([0.0, 0.25, 0.75, 0.5])
    assert paired_difference(a, b, "vote_2") == (0.25, 0.25, 0.25)
    assert paired_difference(b, a.take([3, 1, 0, 2]), "vote_2") == (-0.25, -0.25, -0.25)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 9))
def test_an_experiment_does_not_differ_from_itself(values: list[float], seed: int) -> None:
    assert paired_difference(tasks_table(values), tasks_table(values), "vote_2", seed=seed) == (0, 0, 0)


def test_other_tasks_or_metrics_cannot_be_compared() -> None:
    with pytest.raises(FaultyInput, match="d, task 1: a paired comparison needs it twice"):
        paired_difference(tasks_table([1.0, 0.0]), tasks_table([1.0]), "vote_2")
    with pytest.raises(FaultyInput, match="no tasks"):
        paired_difference(tasks_table([]), tasks_table([]), "vote_2")
    with pytest.raises(ValueError, match="a metric is one of the columns dataset, task_id, vote_2, found 'pass_32'"):
        paired_difference(tasks_table([1.0]), tasks_table([1.0]), "pass_32")


def test_a_winner_beats_every_other_row_beyond_chance() -> None:
    low, high = np.zeros(40), np.ones(40)
    assert winner(np.array([low, high, low])) == 1
    assert winner(np.array([low, high, high])) is None
    assert winner(np.array([high])) is None
    a_few = np.array([1.0] * 3 + [0.0] * 37)  # three tasks of forty: chance, says the bootstrap
    assert winner(np.array([low, a_few])) is None
    assert paired_difference(tasks_table(list(a_few)), tasks_table(list(low)), "vote_2")[1] == 0


@given(st.lists(st.lists(st.floats(0, 1), min_size=8, max_size=8), min_size=2, max_size=4))
def test_a_winner_has_the_highest_mean_and_positive_paired_differences(rows: list[list[float]]) -> None:
    best = winner(np.array(rows))
    lows = {
        number: min(
            paired_difference(tasks_table(row), tasks_table(other), "vote_2")[1]
            for place, other in enumerate(rows)
            if place != number
        )
        for number, row in enumerate(rows)
    }
    certain = [number for number, low in lows.items() if low > 1e-9]
    assert certain in ([], [best])
