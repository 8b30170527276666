"""Figures with axes: one style, one width, and the PNG made of them. matplotlib is imported when one is drawn.

Drawn for a width of 8 cm and for readers who cannot tell red from green.
"""

import base64
import io
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dagster keeps metadata twice in its database
MOST_BYTES, ROOM_FOR_WORDS = 200_000, 2_000
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
    return picture.getvalue()


def data_uri(png: bytes) -> str:
    """The picture as an address that needs no file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def markdown_image(png: bytes, what: str) -> str:
    """Markdown with the picture inside it, which needs no file beside it."""
    return f"![{what}]({data_uri(png)})"


def markdown_images(pngs: Sequence[bytes], what: str) -> str:
    """Markdown with the first of the pictures, as many as are not too much for Dagster's database."""
    lengths = itertools.accumulate(len(data_uri(png)) for png in pngs)
    fitting = sum(length < MOST_BYTES - ROOM_FOR_WORDS for length in lengths)
    left_out = [f"{what}: {len(pngs) - fitting} more are in the report"] if fitting < len(pngs) else []
    shown = [markdown_image(png, what) for png in pngs[:fitting]]
    return "\n\n".join([*shown, *left_out]) or f"{what}: nothing to draw"


def step_axis(axes: "Axes") -> None:
    """Few whole numbers, thousands as k."""
    axes.set_xlabel("training steps")
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
    axes.xaxis.set_major_formatter(lambda step, _: steps_label(step))


def steps_label(step: float) -> str:
    """A number of steps on an axis."""
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"
