"""One grid on axes in cm: cells in ARC's colours with lines between them, and crosses on marked cells."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from arc_pipeline.arc.tasks.task import Grid
from arc_pipeline.report.grids.colours import ARC_COLOURS, BETWEEN_CELLS
from arc_pipeline.report.grids.grid_layout import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

POINTS_PER_CM: Final = 72 / 2.54
LARGEST_CROSS_CM: Final = 0.16


def draw_grid(axes: "Axes", panel: Panel, x: float, y: float, cell: float) -> None:
    """The grid of a panel with its upper left corner at (x, y); one path for each colour keeps an SVG small."""
    from matplotlib.patches import PathPatch, Rectangle

    between = min(0.5, 0.07 * cell * POINTS_PER_CM)
    lines: dict[str, Any] = {"edgecolor": BETWEEN_CELLS, "joinstyle": "miter"}
    for colour, path in cell_paths(panel.grid, x, y, cell).items():
        axes.add_artist(PathPatch(path, facecolor=ARC_COLOURS[colour], linewidth=between, **lines))
    size = (panel.columns * cell, panel.rows * cell)
    axes.add_artist(Rectangle((x, y), *size, fill=False, linewidth=0.6, **lines))
    if panel.marked:
        draw_crosses(axes, panel, x, y, cell)


def cell_paths(grid: Grid, x: float, y: float, cell: float) -> "dict[int, Path]":
    """For each colour of the grid, its cells as squares."""
    import numpy as np
    from matplotlib.path import Path

    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    squares = defaultdict(list)
    for row, colours in enumerate(grid):
        for column, colour in enumerate(colours):
            squares[colour].append((corners + np.array([column, row])) * cell + np.array([x, y]))
    return {colour: Path.make_compound_path_from_polys(np.array(each)) for colour, each in squares.items()}


def draw_crosses(axes: "Axes", panel: Panel, x: float, y: float, cell: float) -> None:
    """White on black, so that they are seen on every colour."""
    from matplotlib.collections import LineCollection

    half, points = min(0.23 * cell, LARGEST_CROSS_CM / 2), cell * POINTS_PER_CM
    middles = [(x + (column + 0.5) * cell, y + (row + 0.5) * cell) for row, column in sorted(panel.marked)]
    strokes = [
        [(across - half, down - half * slope), (across + half, down + half * slope)]
        for across, down in middles
        for slope in (1, -1)
    ]
    for colour, width in (("black", min(0.36 * points, 2.4)), ("white", min(0.17 * points, 1.1))):
        axes.add_artist(LineCollection(strokes, colors=colour, linewidths=width, capstyle="projecting"))
