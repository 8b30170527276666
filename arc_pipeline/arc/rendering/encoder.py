"""Grid encoders: grid -> text -> grid, composed by name. Knows nothing of prompts or tokens.

Every encoder decodes exactly what it encodes and refuses everything else with `UndecodableGrid` and its reason.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from arc_pipeline.arc.tasks.task import MAX_SIDE, Grid, shape
from arc_pipeline.errors import UndecodableGrid
from arc_pipeline.uncounted import uncounted

uncounted("the hash of the tokens, which the table of examples has, covers how they are rendered", of=("checkpoint",))

FENCE = "```"
CODE_BLOCK_OPENING = f"{FENCE}grid\n"
SHAPE_OPENING = f"{FENCE}grid shape: "
CLOSING = f"\n{FENCE}"
_SIDE = "([1-9]|[12][0-9]|30)"
_SHAPE = re.compile(rf"{re.escape(SHAPE_OPENING)}{_SIDE}x{_SIDE}\n")
_LONGEST_HEADER = len(f"{SHAPE_OPENING}30x30\n")


class GridEncoder(Protocol):
    """`decode(encode(grid)) == grid`."""

    def encode(self, grid: Grid) -> str:
        """The text of a grid, without a newline at its end."""

    def decode(self, text: str) -> Grid:
        """The grid of a text; UndecodableGrid if it is not exactly what `encode` writes."""

    def longest(self, beginning: str) -> int:
        """The most characters that an encoding with this beginning can have: more can be no grid."""


LARGEST_GRID: Grid = ((0,) * MAX_SIDE,) * MAX_SIDE


@dataclass(frozen=True)
class _Bounded:
    """An encoder whose beginning tells nothing of the length."""

    def encode(self, grid: Grid) -> str:
        raise NotImplementedError

    def longest(self, beginning: str) -> int:
        return len(self.encode(LARGEST_GRID))


@dataclass(frozen=True)
class GridWithSeparationEncoder(_Bounded):
    """Rows on lines, cells as digits with a separator between them: `0|1|2`."""

    separator: str

    def encode(self, grid: Grid) -> str:
        return "\n".join(self.separator.join(map(str, row)) for row in grid)

    def decode(self, text: str) -> Grid:
        rows = tuple(self._row(line) for line in text.split("\n"))
        if len({len(row) for row in rows}) > 1:
            raise UndecodableGrid("ragged rows")
        if len(rows) > MAX_SIDE or len(rows[0]) > MAX_SIDE:
            raise UndecodableGrid(f"more than {MAX_SIDE} rows or columns")
        return rows

    def _row(self, line: str) -> tuple[int, ...]:
        cells = line.split(self.separator) if self.separator else list(line)
        if not cells or not all(re.fullmatch("[0-9]", cell) for cell in cells):
            raise UndecodableGrid("a cell is no digit" if line else "an empty row")
        return tuple(map(int, cells))


@dataclass(frozen=True)
class MinimalGridEncoder(GridWithSeparationEncoder):
    """Rows on lines, cells as digits, nothing else."""

    separator: str = ""


@dataclass(frozen=True)
class RowNumberEncoder(_Bounded):
    """Each line begins with its number, counted from 1, and a space."""

    inner: GridEncoder

    def encode(self, grid: Grid) -> str:
        lines = self.inner.encode(grid).split("\n")
        return "\n".join(f"{number} {line}" for number, line in enumerate(lines, 1))

    def decode(self, text: str) -> Grid:
        return self.inner.decode("\n".join(map(self._line, enumerate(text.split("\n"), 1))))

    @staticmethod
    def _line(numbered: tuple[int, str]) -> str:
        number, line = numbered
        if not line.startswith(f"{number} "):
            raise UndecodableGrid("wrong row number")
        return line.removeprefix(f"{number} ")


@dataclass(frozen=True)
class GridCodeBlockEncoder(_Bounded):
    """The grid between code fences."""

    inner: GridEncoder

    def encode(self, grid: Grid) -> str:
        return f"{CODE_BLOCK_OPENING}{self.inner.encode(grid)}{CLOSING}"

    def decode(self, text: str) -> Grid:
        if not text.startswith(CODE_BLOCK_OPENING):
            raise UndecodableGrid("no opening fence")
        return self.inner.decode(_without_closing(text.removeprefix(CODE_BLOCK_OPENING)))


@dataclass(frozen=True)
class GridShapeEncoder:
    """The grid between code fences, its rows x columns in the opening one."""

    inner: GridEncoder

    def encode(self, grid: Grid) -> str:
        rows, columns = shape(grid)
        return f"{SHAPE_OPENING}{rows}x{columns}\n{self.inner.encode(grid)}{CLOSING}"

    def longest(self, beginning: str) -> int:
        header = _SHAPE.match(beginning)
        if not header:
            can_still_come = len(beginning) < _LONGEST_HEADER
            return len(self.encode(LARGEST_GRID)) if can_still_come else _LONGEST_HEADER
        return len(self.encode(((0,) * int(header[2]),) * int(header[1])))

    def decode(self, text: str) -> Grid:
        header = _SHAPE.match(text)
        if not header:
            raise UndecodableGrid("no shape in the opening fence")
        grid = self.inner.decode(_without_closing(text[header.end() :]))
        if shape(grid) != (int(header[1]), int(header[2])):
            raise UndecodableGrid("rows do not match the announced shape")
        return grid


def _without_closing(text: str) -> str:
    if not text.endswith(CLOSING):
        raise UndecodableGrid("no closing fence")
    return text.removesuffix(CLOSING)


_LEAVES = {"MinimalGridEncoder": MinimalGridEncoder, "GridWithSeparationEncoder": GridWithSeparationEncoder}
_WRAPPERS: dict[str, Callable[[GridEncoder], GridEncoder]] = {
    "RowNumberEncoder": RowNumberEncoder,
    "GridCodeBlockEncoder": GridCodeBlockEncoder,
    "GridShapeEncoder": GridShapeEncoder,
}


def parse_encoder(name: str) -> GridEncoder:
    """The encoder that a name such as `GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))` describes.

    Parsed, never evaluated. ValueError says which part is wrong and what is allowed.
    """
    try:
        return _build(ast.parse(name, mode="eval").body)
    except (SyntaxError, UnicodeError, RecursionError, MemoryError) as error:  # the last two: absurd nesting
        raise ValueError(
            f"not an encoder: {name!r}, write for example RowNumberEncoder(MinimalGridEncoder())"
        ) from error


def _build(node: ast.expr) -> GridEncoder:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        raise ValueError(f"not an encoder: {ast.unparse(node)!r}, write for example MinimalGridEncoder()")
    name, arguments = node.func.id, node.args
    if name in _WRAPPERS and len(arguments) == 1:
        return _WRAPPERS[name](_build(arguments[0]))
    if name == "GridWithSeparationEncoder" and len(arguments) == 1:
        return GridWithSeparationEncoder(_separator(arguments[0]))
    if name == "MinimalGridEncoder" and not arguments:
        return MinimalGridEncoder()
    if name in _LEAVES or name in _WRAPPERS:
        raise ValueError(f"wrong arguments for {name}: {ast.unparse(node)!r}")
    raise ValueError(f"unknown encoder {name!r}, allowed: {', '.join(sorted([*_LEAVES, *_WRAPPERS]))}")


def _separator(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, str) or not value or re.search(r"[0-9\n]", value):
        raise ValueError(f"a separator is a quoted text without digits and newlines, found {ast.unparse(node)}")
    return value
