"""Boards: grids in labelled stacks, stacks in rows. What is shown, for paper (`drawing`) and screens (`terminal`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from arc_pipeline.arc.tasks.task import Grid, Pair, shape

NO_SOLUTION = "no solution"


@dataclass(frozen=True)
class Panel:
    """One grid; `marked` has the (row, column) of the cells that get a cross."""

    grid: Grid
    marked: frozenset[tuple[int, int]] = frozenset()

    @property
    def rows(self) -> int:
        """Of the grid."""
        return shape(self.grid)[0]

    @property
    def columns(self) -> int:
        """Of the grid."""
        return shape(self.grid)[1]


@dataclass(frozen=True)
class Frame:
    """The line around a stack and the colour of its label; the background is filled where readers should look first."""

    colour: str
    dashed: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Stack:
    """Grids from top to bottom, with arrows between them and a label of a few lines above."""

    panels: tuple[Panel, ...]
    label: str = ""
    frame: Frame | None = None
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """Stacks side by side below a heading."""

    stacks: tuple[Stack, ...]
    heading: str = ""


@dataclass(frozen=True)
class Board:
    """Rows of stacks below a title."""

    title: str
    rows: tuple[Row, ...]

    @property
    def stacks(self) -> list[Stack]:
        """Those of all rows."""
        return [stack for row in self.rows for stack in row.stacks]


def compared(grid: Grid, truth: Grid) -> Panel:
    """The grid, its wrong cells marked; none are where the sizes differ."""
    if shape(grid) != shape(truth):
        return Panel(grid)
    cells = ((row, column) for row in range(len(grid)) for column in range(len(grid[0])))
    return Panel(grid, frozenset((row, column) for row, column in cells if grid[row][column] != truth[row][column]))


def pair_stack(pair: Pair, label: str) -> Stack:
    """Input above output, the input alone where the output is not known."""
    panels = (Panel(pair.input), Panel(pair.output)) if pair.output else (Panel(pair.input),)
    return Stack(panels, label if pair.output else f"{label}\n{NO_SOLUTION}")


def numbered(pairs: Sequence[Pair], split: str) -> list[Stack]:
    """Pairs called by their index in the split, as tables call them."""
    return [pair_stack(pair, f"{split} {index}") for index, pair in enumerate(pairs)]
