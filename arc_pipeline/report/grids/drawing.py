"""Boards on paper: PNG, SVG or PDF, 8 cm wide. Stacks flow like words, and all cells of a board have one size.

That is the largest at which the board stays short. matplotlib is imported when it is needed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from arc_pipeline.report.grids.colours import FAINT, INK, TARGET_GROUND
from arc_pipeline.report.grids.grid_layout import Board, Row, Stack
from arc_pipeline.report.grids.paint import draw_grid
from arc_pipeline.report.paper import WIDTH_CM, paper
from arc_pipeline.report.text import LINE_CM, draw_lines, text_width, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TALL_CM: Final = 13.0
TALLER: Final = 1.2
CELL_SIZES_CM: Final = tuple(0.4 * 0.92**step for step in range(27))  # the last is 0.45 mm: 30 cells are 1.4 cm
GAP_CM, MARGIN_CM, PADDING_CM, ARROW_CM = 0.16, 0.08, 0.08, 0.26
INSIDE_CM: Final = WIDTH_CM - 2 * MARGIN_CM


def draw_board(board: Board, picture: str = "png") -> bytes:
    """The board as a file in one of `paper.FORMATS`."""
    cell = fitting_cell(board)
    return paper(board_height(board, cell), lambda axes: _draw(axes, board, cell), picture)


def fitting_cell(board: Board) -> float:
    """The largest cell, in cm, at which every stack fits the width and the board is not tall, or hardly taller than
    it must be; the smallest if there is none."""
    most = max(TALL_CM, TALLER * board_height(board, CELL_SIZES_CM[-1]))
    for cell in CELL_SIZES_CM:
        fits = all(stack_width(stack, cell) <= INSIDE_CM for stack in board.stacks)
        if fits and board_height(board, cell) <= most:
            return cell
    return CELL_SIZES_CM[-1]


def board_height(board: Board, cell: float) -> float:
    """In cm, for cells of a size."""
    height = 2 * MARGIN_CM + len(wrapped(board.title, INSIDE_CM)) * LINE_CM
    for row in board.rows:
        height += GAP_CM + len(wrapped(row.heading, INSIDE_CM)) * LINE_CM
        height += sum(max(stack_height(stack, cell) for stack in line) + GAP_CM for line in lines_of(row, cell))
    return height


def stack_width(stack: Stack, cell: float) -> float:
    """In cm, for cells of a size."""
    widths = [panel.columns * cell for panel in stack.panels] + [text_width(line) for line in stack.label.splitlines()]
    return max(widths) + 2 * PADDING_CM


def stack_height(stack: Stack, cell: float) -> float:
    """In cm, for cells of a size."""
    grids = sum(panel.rows for panel in stack.panels) * cell + (len(stack.panels) - 1) * ARROW_CM
    return len(stack.label.splitlines()) * LINE_CM + grids + 2 * PADDING_CM


def lines_of(row: Row, cell: float) -> Iterator[list[Stack]]:
    """The stacks of a row, as many on a line as fit the width."""
    line: list[Stack] = []
    filled = 0.0
    for stack in row.stacks:
        width = stack_width(stack, cell) + GAP_CM
        if line and filled + width > INSIDE_CM + GAP_CM:
            yield line
            line, filled = [], 0.0
        line, filled = [*line, stack], filled + width
    if line:
        yield line


def _draw(axes: "Axes", board: Board, cell: float) -> None:
    y = draw_lines(axes, wrapped(board.title, INSIDE_CM), MARGIN_CM, MARGIN_CM, fontweight="bold")
    for row in board.rows:
        y = draw_lines(axes, wrapped(row.heading, INSIDE_CM), MARGIN_CM, y + GAP_CM)
        for line in lines_of(row, cell):
            x = MARGIN_CM
            for stack in line:
                _draw_stack(axes, stack, x, y, cell)
                x += stack_width(stack, cell) + GAP_CM
            y += max(stack_height(stack, cell) for stack in line) + GAP_CM


def _draw_stack(axes: "Axes", stack: Stack, x: float, y: float, cell: float) -> None:
    """With the upper left corner of its frame at (x, y)."""
    _draw_frame(axes, stack, x, y, cell)
    left, weight = x + PADDING_CM, "bold" if stack.bold else "normal"
    colour = stack.frame.colour if stack.frame else INK
    y = draw_lines(axes, stack.label.splitlines(), left, y + PADDING_CM, color=colour, fontweight=weight)
    for number, panel in enumerate(stack.panels):
        if number:
            _draw_arrow(axes, left + min(each.columns for each in stack.panels) * cell / 2, y)
            y += ARROW_CM
        draw_grid(axes, panel, left, y, cell)
        y += panel.rows * cell


def _draw_frame(axes: "Axes", stack: Stack, x: float, y: float, cell: float) -> None:
    from matplotlib.patches import Rectangle

    if frame := stack.frame:
        line: Any = (0, (3, 1.5)) if frame.dashed else "solid"
        style = {"edgecolor": frame.colour, "facecolor": TARGET_GROUND if frame.filled else "none"}
        size = (stack_width(stack, cell), stack_height(stack, cell))
        axes.add_artist(Rectangle((x, y), *size, linestyle=line, linewidth=1.5 if frame.filled else 0.8, **style))


def _draw_arrow(axes: "Axes", x: float, y: float) -> None:
    """Downwards, from (x, y)."""
    style = {"arrowstyle": "-|>,head_length=0.16,head_width=0.1", "linewidth": 0.7, "color": FAINT}
    axes.annotate("", (x, y + ARROW_CM - 0.02), (x, y + 0.02), arrowprops=style | {"shrinkA": 0, "shrinkB": 0})
