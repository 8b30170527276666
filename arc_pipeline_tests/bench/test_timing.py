"""Which steps are measured and what is inferred from them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.bench.timing import seconds_per_step, strata


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=80), st.integers(1, 20))
def test_strata_are_distinct_steps_that_cover_the_distribution(costs: list[int], n: int) -> None:
    chosen = strata(costs, n)
    assert len(set(chosen)) == len(chosen) == min(n, len(costs))
    ranks = sorted(sorted(range(len(costs)), key=costs.__getitem__).index(step) for step in chosen)
    assert all(abs(rank - (share + 0.5) * len(costs) / len(chosen)) <= 1 for share, rank in enumerate(ranks))


def test_the_beginning_of_the_strata_covers_the_distribution_too() -> None:
    assert [step // 16 for step in sorted(strata(range(64), 16)[:4])] == [0, 1, 2, 3]


def test_a_disturbed_step_moves_the_estimate_little() -> None:
    rng = random.Random(0)
    costs = [rng.randint(100, 1000) for _ in range(200)]
    steps = strata(costs, 12)
    measured = [(costs[step], 0.1 + 0.002 * costs[step]) for step in steps]
    truth = 0.1 + 0.002 * sum(costs) / len(costs)
    assert seconds_per_step(measured, costs) == pytest.approx(truth, rel=1e-6)
    disturbed = [(cost, seconds * (1.5 if index == 0 else 1)) for index, (cost, seconds) in enumerate(measured)]
    assert seconds_per_step(disturbed, costs) == pytest.approx(truth, rel=0.08)


def test_one_step_or_equal_costs_are_enough() -> None:
    assert seconds_per_step([(100, 2.0)], [100, 300]) == 2.0
    assert seconds_per_step([(100, 2.0), (100, 4.0)], [100]) == 3.0
