"""Paper: axes in cm, 8 cm wide, and the files made of them. The same drawing gives the same bytes."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from arc_pipeline.report.data_uris import with_palette
from arc_pipeline.report.text import FONT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_CM: Final = 8.0
DOTS_PER_INCH: Final = 300
FORMATS: Final = ("png", "svg", "pdf")
STYLE = {"font.family": FONT, "svg.fonttype": "none", "svg.hashsalt": "arc", "pdf.fonttype": 42}
UNDATED: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def paper(height: float, draw: "Callable[[Axes], object]", picture: str = "png", colours: int = 255) -> bytes:
    """A file in one of FORMATS of what `draw` puts on axes of `height` cm, whose origin is the upper left corner."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_CM / 2.54, height / 2.54), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH_CM), ylim=(height, 0))
        axes.set_axis_off()
        draw(axes)
        file = io.BytesIO()
        figure.savefig(file, format=picture, metadata=UNDATED.get(picture))
    return with_palette(file.getvalue(), colours) if picture == "png" else file.getvalue()
