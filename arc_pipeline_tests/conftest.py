"""Hand-written tasks, whose grids are all different and have no symmetry, and the settings of hypothesis."""

import pytest
from hypothesis import HealthCheck, settings

from arc_pipeline.arc.task import Grid, Pair, Task

settings.register_profile("arc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("arc")


def mirrored(*inputs: Grid) -> tuple[Pair, ...]:
    """Pairs that obey one rule: every row is reversed."""
    return tuple(Pair(grid, tuple(row[::-1] for row in grid)) for grid in inputs)


@pytest.fixture(scope="session")
def one_test() -> Task:
    """Three train pairs and a test pair."""
    pairs = mirrored(((1, 2), (3, 4)), ((5, 6, 7), (8, 9, 0)), ((0, 3),), ((2, 4, 6), (1, 3, 5), (7, 0, 8)))
    return Task("one_test", pairs[:3], pairs[3:])


@pytest.fixture(scope="session")
def two_tests() -> Task:
    """Three train pairs and two test pairs."""
    pairs = mirrored(((1, 1, 2),), ((3, 3, 4),), ((5, 5, 6),), ((7, 7, 8),), ((9, 9, 0),))
    return Task("two_tests", pairs[:3], pairs[3:])


@pytest.fixture(scope="session")
def no_test() -> Task:
    """Seven pairs, none of them a test pair, as generated data has."""
    return Task("no_test", mirrored(*(((first, 0, 9, 1),) for first in range(2, 9))), ())


@pytest.fixture(scope="session")
def tasks(one_test: Task, two_tests: Task, no_test: Task) -> dict[str, list[Task]]:
    """By dataset."""
    return {"written": [one_test, two_tests], "generated": [no_test]}
