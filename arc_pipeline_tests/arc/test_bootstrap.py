"""Paired differences of hand-made tables, and the width of bootstrap intervals."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.bootstrap import paired_difference
from arc_pipeline.arc.errors import FaultyInput


def tasks_table(values: list[float], dataset: str = "d") -> pa.Table:
    ids = [str(index) for index in range(len(values))]
    return pa.table({"dataset": [dataset] * len(values), "task_id": ids, "vote_2": values})


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
