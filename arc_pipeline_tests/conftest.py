"""Hand-written tasks, whose grids are all different and have no symmetry, and ways to watch other processes."""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event

if "PYTEST_XDIST_WORKER" in os.environ:  # a core each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import arc_pipeline.model  # noqa: F401 before torch, whose threads it tells to wait asleep
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

settings.register_profile("arc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("arc")

# Dagster reads all its migrations again for each database, and there is one for each run
ScriptDirectory.from_config = functools.cache(ScriptDirectory.from_config)  # type: ignore[method-assign]


@event.listens_for(Engine, "connect")
def leave_writing_to_the_system(connection: Any, record: object) -> None:
    """The databases of a test need not survive a power cut, so no event waits for the disk."""
    connection.execute("PRAGMA synchronous=OFF")


LONGEST = ("test_story", "test_interruptions", "test_browser", "test_ranks", "test_server", "test_killed_prediction")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: otherwise one core would wait for the other in the end."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


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


@pytest.fixture(scope="session")
def eventually() -> Callable[..., object]:
    """Waits until a function returns something true, and returns that; a failure after a generous limit."""

    def wait(look: Callable[[], object], seconds: float = 120) -> object:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)
        return found

    return wait


@pytest.fixture(scope="session")
def processes_of() -> Callable[[Path], set[int]]:
    """The processes whose command line names a path."""

    def find(path: Path) -> set[int]:
        found = set()
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(path).encode() in command.read_bytes():
                    found.add(int(command.parent.name))
            except OSError:  # it ended meanwhile
                continue
        return found

    return find
