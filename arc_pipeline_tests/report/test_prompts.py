"""Prompts token by token: nothing of the text is lost, boundaries and loss are seen with and without colour."""

import base64
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from arc_pipeline.defs.assets.inspection import MOST_LINES
from arc_pipeline.report.data_uris import MOST_BYTES
from arc_pipeline.report.grids.colours import TOKEN_GROUNDS
from arc_pipeline.report.prompts import (
    BREAK,
    broken_lines,
    draw_prompt,
    fitting_columns,
    print_prompt,
    prompt_text,
    shortened,
    token_counts,
)

TOKENS = [("Input:\n", False), ("1", False), ("2\n", False), ("Out", False), ("3", True), ("<end>", True)]
tokens = st.lists(st.tuples(st.text("ab 1\n", max_size=6), st.booleans()), max_size=30)


def test_loss_is_counted() -> None:
    assert token_counts(TOKENS) == "6 tokens, of which 2 carry loss (underlined)"


def test_without_colour_marks_part_the_tokens() -> None:
    assert prompt_text(TOKENS, coloured=False).plain == f"Input:{BREAK}\n│1│2{BREAK}\n│Out│⟦3│<end>⟧"


def test_with_colour_neighbours_differ_and_loss_is_underlined() -> None:
    text = prompt_text(TOKENS, coloured=True)
    assert text.plain == f"Input:{BREAK}\n12{BREAK}\nOut3<end>"
    grounds = [re.search(r"on (#\w+)", str(span.style))[1] for span in text.spans]  # type: ignore[index]
    assert grounds == [TOKEN_GROUNDS[loss][number % 2] for number, (_, loss) in enumerate(TOKENS)]
    assert [("underline" in str(span.style)) for span in text.spans] == [loss for _, loss in TOKENS]


def test_a_terminal_gets_the_text_as_it_is() -> None:
    console = Console(width=20, record=True, color_system="truecolor", force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_prompt("title", [("x" * 50, False)], console)
    assert "x" * 50 in console.export_text()


@given(tokens, st.integers(3, 12))
def test_lines_are_the_text_broken_where_it_must_be(tokens: list[tuple[str, bool]], across: int) -> None:
    lines = [list(line) for line in broken_lines(tokens, across)]
    assert all(sum(len(text) for text, _, _ in line) <= across for line in lines)
    joined = "".join(text for line in lines for text, _, _ in line)
    assert joined == "".join(text for text, _ in tokens).replace("\n", BREAK)


def test_a_long_line_is_broken_after_a_space() -> None:
    lines = ["".join(text for text, _, _ in line) for line in broken_lines([("one two three", False)], 9)]
    assert lines == ["one two ", "three"]


def test_short_lines_share_the_width() -> None:
    assert fitting_columns([("12\n" * 40, False)]) == 3
    assert fitting_columns([(f"{'1' * 30}\n" * 40, False)]) == 2
    assert fitting_columns([(f"{'1' * 60}\n" * 40, False)]) == 1


def test_the_middle_of_a_long_prompt_is_left_out() -> None:
    lines = [[(str(number), 0, False)] for number in range(100)]
    short = shortened(lines, 11)
    assert len(short) == 11
    assert short[5] == [("... 90 lines ...", -1, False)]
    assert (short[4], short[6]) == (lines[4], lines[95])
    assert shortened(lines, 100) == lines


def test_the_picture_has_every_token_and_the_shades() -> None:
    svg = draw_prompt("the title", TOKENS, "svg").decode()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert texts == ["the title", token_counts(TOKENS), f"Input:{BREAK}", "1", f"2{BREAK}", "Out", "3", "&lt;end&gt;"]
    assert all(ground in svg for grounds in TOKEN_GROUNDS.values() for ground in grounds)
    assert draw_prompt("the title", TOKENS).startswith(b"\x89PNG")


def test_the_largest_prompt_of_metadata_is_small_enough_for_the_database() -> None:
    rows = [(character, True) for row in range(30) for character in f"{row + 1} {'0123456789' * 3}\n"]
    png = draw_prompt("the title", rows * 10, most_lines=MOST_LINES)
    assert len(base64.b64encode(png)) < MOST_BYTES
