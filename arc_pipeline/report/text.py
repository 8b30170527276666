"""Text on axes in cm: its width, lines that fit, and their drawing. matplotlib is imported when it is needed."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from arc_pipeline.report.grids.colours import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT: Final = "DejaVu Sans"
FONT_SIZE: Final = 6.5
LINE_CM: Final = 0.29


def draw_lines(axes: "Axes", lines: Sequence[str], x: float, y: float, **style: Any) -> float:
    """Lines of text from (x, y) downwards; returns where they end."""
    for number, line in enumerate(lines):
        baseline = y + (number + 0.75) * LINE_CM
        axes.text(x, baseline, line, **{"color": INK, "fontsize": FONT_SIZE, "parse_math": False, **style})
    return y + len(lines) * LINE_CM


@cache
def wrapped(text: str, width: float) -> tuple[str, ...]:
    """Lines of at most `width` cm, broken at spaces; none for no text."""
    lines: list[str] = []
    for written in text.splitlines():
        line, *words = written.split(" ")
        for word in words:
            if text_width(f"{line} {word}") > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}"
        lines.append(line)
    return tuple(lines)


@cache
def text_width(text: str) -> float:
    """In cm, of bold text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text:
        return 0.0
    path = TextPath((0, 0), text.replace("$", "S"), size=FONT_SIZE, prop=FontProperties(family=FONT, weight="bold"))
    return float(path.vertices[:, 0].max()) / 72 * 2.54
