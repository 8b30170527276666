"""Prompts token by token: where tokens begin, and which carry loss. Knows the texts of tokens, no tokenizers.

A token is (its text, whether it carries loss). Neighbours differ in shade; loss has other colours and a line.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich.console import Console
from rich.text import Text

from arc_pipeline.report.grids.colours import FAINT, INK, TOKEN_GROUNDS
from arc_pipeline.report.paper import WIDTH_CM, paper
from arc_pipeline.report.text import draw_lines, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TokenTexts: TypeAlias = Sequence[tuple[str, bool]]
# (text without line breaks, which of the two shades, whether it carries loss)
Run: TypeAlias = tuple[str, int, bool]

BREAK: Final = "↵"
FONT_SIZE: Final = 5.2
CHARACTER_CM: Final = 0.602 * FONT_SIZE / 72 * 2.54
LINE_CM, MARGIN_CM = 0.225, 0.08
ACROSS: Final = int((WIDTH_CM - 2 * MARGIN_CM) / CHARACTER_CM)
MOST_LINES: Final = 90
COLOURS: Final = 32


def token_counts(tokens: TokenTexts) -> str:
    """How many tokens there are, and how many carry loss."""
    loss = sum(supervised for _, supervised in tokens)
    return f"{len(tokens)} tokens, of which {loss} carry loss (underlined)"


def print_prompt(title: str, tokens: TokenTexts, console: Console) -> None:
    """The exact text on a terminal."""
    console.print(Text(f"{title}\n{token_counts(tokens)}\n", style="bold"))
    console.print(prompt_text(tokens, coloured=console.color_system is not None), soft_wrap=True)


def prompt_text(tokens: TokenTexts, coloured: bool) -> Text:
    """For a terminal; without colour, tokens are parted by │ and those with loss are in ⟦ ⟧."""
    shown = Text()
    if not coloured:
        for loss, group in groupby(tokens, key=lambda token: token[1]):
            joined = "│".join(_visible(text) for text, _ in group)
            shown.append(f"⟦{joined}⟧" if loss else f"{joined}│")
        return shown
    for number, (text, loss) in enumerate(tokens):
        ground = TOKEN_GROUNDS[loss][number % 2]
        shown.append(_visible(text), f"{INK} on {ground}{' bold underline' * loss}")
    return shown


def _visible(text: str) -> str:
    return text.replace("\n", f"{BREAK}\n")


def draw_prompt(title: str, tokens: TokenTexts, picture: str = "png", most_lines: int = MOST_LINES) -> bytes:
    """The prompt as a file in one of `paper.FORMATS`, in columns; the middle of a very long one is left out."""
    columns = fitting_columns(tokens)
    across = (ACROSS - 2 * (columns - 1)) // columns
    lines = shortened(list(broken_lines(tokens, across)), most_lines * columns)
    heading = [*wrapped(title, WIDTH_CM - 2 * MARGIN_CM), token_counts(tokens)]
    per_column = math.ceil(len(lines) / columns)
    top = MARGIN_CM + (len(heading) + 0.5) * 0.29

    def draw(axes: "Axes") -> None:
        draw_lines(axes, heading[:-1], MARGIN_CM, MARGIN_CM, fontweight="bold")
        draw_lines(axes, heading[-1:], MARGIN_CM, MARGIN_CM + (len(heading) - 1) * 0.29)
        for number, line in enumerate(lines):
            column, row = divmod(number, per_column)
            _draw_line(axes, line, MARGIN_CM + column * (across + 2) * CHARACTER_CM, top + row * LINE_CM)

    return paper(top + per_column * LINE_CM + MARGIN_CM, draw, picture, COLOURS)


def fitting_columns(tokens: TokenTexts) -> int:
    """As many columns, up to three, as nearly all lines fit without being broken."""
    lengths = [len(line) + 1 for line in "".join(text for text, _ in tokens).split("\n")]
    for columns in (3, 2):
        across = (ACROSS - 2 * (columns - 1)) // columns
        if sum(length <= across for length in lengths) >= 0.95 * len(lengths):
            return columns
    return 1


def broken_lines(tokens: TokenTexts, across: int) -> Iterator[list[Run]]:
    """Lines of at most `across` characters: a new one after each line break, and where a line is too long."""
    line: list[Run] = []
    for number, (text, loss) in enumerate(tokens):
        for character in _visible(text):
            if character == "\n":
                yield from _fitting(line, across)
                line = []
            else:
                line.append((character, number % 2, loss))
    yield from _fitting(line, across)


def _fitting(line: list[Run], across: int) -> Iterator[list[Run]]:
    """A line of single characters as runs of the same token, broken after spaces where it is too long."""
    while len(line) > across:
        after_spaces = [place + 1 for place, (character, _, _) in enumerate(line[:across]) if character == " "]
        cut = max(after_spaces, default=across)
        yield _runs(line[:cut])
        line = line[cut:]
    yield _runs(line)


def _runs(line: list[Run]) -> list[Run]:
    grouped = groupby(line, key=lambda run: run[1:])
    return [("".join(character for character, _, _ in group), *token) for token, group in grouped]


def shortened(lines: list[list[Run]], most: int) -> list[list[Run]]:
    """The beginning and the end of too many lines, with what was left out said between."""
    if len(lines) <= most:
        return lines
    left_out = len(lines) - most + 1
    return [*lines[: most // 2], [(f"... {left_out} lines ...", -1, False)], *lines[most // 2 + left_out :]]


def _draw_line(axes: "Axes", line: Iterable[Run], x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    font: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": FONT_SIZE, "parse_math": False}
    for text, shade, loss in line:
        width = len(text) * CHARACTER_CM
        if shade >= 0:
            axes.add_artist(Rectangle((x, y), width, LINE_CM, facecolor=TOKEN_GROUNDS[loss][shade], linewidth=0))
        axes.text(x, y + 0.72 * LINE_CM, text, color=INK if shade >= 0 else FAINT, **font)
        if loss:
            axes.plot((x, x + width), (y + 0.93 * LINE_CM,) * 2, color=INK, linewidth=0.4, solid_capstyle="butt")
        x += width
