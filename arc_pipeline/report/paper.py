"""Paper: axes in cm, 8 cm wide, and the files made of them. The same drawing gives the same bytes."""

import base64
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from arc_pipeline.report.text import FONT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_CM: Final = 8.0
DOTS_PER_INCH: Final = 300
FORMATS: Final = ("png", "svg", "pdf")
STYLE = {"font.family": FONT, "svg.fonttype": "none", "svg.hashsalt": "arc", "pdf.fonttype": 42}
UNDATED: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
# Dagster keeps metadata twice in its database
MOST_BYTES: Final = 200_000


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


def with_palette(png: bytes, colours: int = 255) -> bytes:
    """The PNG with few colours: a third of the bytes."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(file, "png", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return file.getvalue()


def markdown_pictures(pngs: Iterable[bytes], what: str, most_bytes: int = MOST_BYTES) -> str:
    """Markdown with the pictures inside it, as many from the first on as fit; it says what they are."""
    shown, length = [], 0
    for png in pngs:
        text = f"![{what}](data:image/png;base64,{base64.b64encode(png).decode()})"
        length += len(text)
        if length > most_bytes:
            break
        shown.append(text)
    return "\n\n".join(shown) or f"{what}: none, or too large to be shown here"
