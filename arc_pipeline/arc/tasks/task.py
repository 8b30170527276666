"""Grids, pairs and tasks of ARC (arXiv:1911.01547). Knows nothing of files, prompts or models.

A grid is a tuple of rows of colours 0-9, 1x1 to 30x30: immutable and hashable, so grids can be counted and compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Grid: TypeAlias = tuple[tuple[int, ...], ...]

N_COLOURS = 10
MAX_SIDE = 30


def grid_problem(value: object) -> str | None:
    """Why `value` (as read from JSON) is no ARC grid, or None if it is one."""
    if not isinstance(value, (list, tuple)) or not value:
        return f"a grid is a non-empty list of rows, found {_short(value)}"
    if len(value) > MAX_SIDE:
        return f"a grid has at most {MAX_SIDE} rows, found {len(value)}"
    for number, row in enumerate(value):
        if problem := _row_problem(row, len(value[0]) if isinstance(value[0], (list, tuple)) else 0):
            return f"row {number}: {problem}"
    return None


def _row_problem(row: object, width: int) -> str | None:
    if not isinstance(row, (list, tuple)) or not row:
        return f"a row is a non-empty list of colours, found {_short(row)}"
    if len(row) > MAX_SIDE:
        return f"a row has at most {MAX_SIDE} cells, found {len(row)}"
    if len(row) != width:
        return f"rows have equal lengths, found {len(row)} cells after {width}"
    for colour in row:
        if type(colour) is not int or not 0 <= colour < N_COLOURS:
            return f"a colour is an integer from 0 to 9, found {_short(colour)}"
    return None


def _short(value: object, limit: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def to_grid(value: object) -> Grid:
    """The grid that `value` (nested lists) describes; ValueError with the problem if it describes none."""
    if problem := grid_problem(value):
        raise ValueError(problem)
    return tuple(tuple(row) for row in value)  # type: ignore[attr-defined]


def shape(grid: Grid) -> tuple[int, int]:
    """(rows, columns)."""
    return len(grid), len(grid[0])


@dataclass(frozen=True)
class Pair:
    """An input grid and the output grid that the task's rule turns it into."""

    input: Grid
    output: Grid


@dataclass(frozen=True)
class Task:
    """A rule, demonstrated by `train` pairs and tested by `test` pairs (none in generated data such as RE-ARC)."""

    task_id: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Train pairs, then test pairs; a pair is named by its index in here."""
        return self.train + self.test

    def is_test(self, pair: int) -> bool:
        """Whether the pair of that index is a test pair."""
        return pair >= len(self.train)

    def grids(self) -> Iterator[Grid]:
        """All grids, in the order of `pairs`, input before output."""
        for pair in self.pairs:
            yield pair.input
            yield pair.output
