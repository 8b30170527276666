"""Figures with axes: one style, one width, and the PNG made of them. matplotlib is imported when one is drawn.

Drawn for a width of 8 cm and for readers who cannot tell red from green.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from arc_pipeline.report.data_uris import with_palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_CM, DOTS_PER_INCH = 8.0, 200
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
}
# Okabe and Ito's colours without their yellow, which is too light for a line
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))


def figure_png(height_cm: float, draw: "Callable[[Figure], object]") -> bytes:
    """The PNG of what `draw` puts on a figure of this height."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_CM / 2.54, height_cm / 2.54), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    return with_palette(picture.getvalue())


def step_axis(axes: "Axes") -> None:
    """Few whole numbers, thousands as k."""
    axes.set_xlabel("training steps")
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
    axes.xaxis.set_major_formatter(lambda step, _: steps_label(step))


def steps_label(step: float) -> str:
    """A number of steps on an axis."""
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"
