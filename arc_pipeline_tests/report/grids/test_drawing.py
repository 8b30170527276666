"""Boards on paper: every colour at its cell, nothing outside the paper, and legible sizes for all sizes of grids."""

import io
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from arc_pipeline.report.grids.colours import ARC_COLOURS, BETWEEN_CELLS, TARGET_GROUND, TEST
from arc_pipeline.report.grids.drawing import (
    CELL_SIZES_CM,
    GAP_CM,
    INSIDE_CM,
    MARGIN_CM,
    PADDING_CM,
    TALL_CM,
    TALLER,
    board_height,
    draw_board,
    fitting_cell,
    lines_of,
    stack_width,
)
from arc_pipeline.report.grids.gallery import AnsweredPair, answers_board
from arc_pipeline.report.grids.grid_layout import Board, Frame, Panel, Row, Stack, compared
from arc_pipeline.report.paper import DOTS_PER_INCH, WIDTH_CM
from arc_pipeline.report.text import LINE_CM

TEN = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
LARGE = tuple(tuple((row + column) % 10 for column in range(30)) for row in range(30))


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_every_cell_has_its_colour() -> None:
    board = Board("title", (Row((Stack((Panel(TEN),), "label"),)),))
    cell = fitting_cell(board)
    image = Image.open(io.BytesIO(draw_board(board))).convert("RGB")
    assert image.size[0] == pytest.approx(WIDTH_CM / 2.54 * DOTS_PER_INCH, abs=1)
    left, top = MARGIN_CM + PADDING_CM, MARGIN_CM + GAP_CM + PADDING_CM + 2 * LINE_CM
    for row, colours in enumerate(TEN):
        for column, colour in enumerate(colours):
            middle = left + (column + 0.5) * cell, top + (row + 0.5) * cell
            pixel = image.getpixel(tuple(round(cm / 2.54 * DOTS_PER_INCH) for cm in middle))
            assert pixel == pytest.approx(rgb(ARC_COLOURS[colour]), abs=3)


def test_wrong_cells_are_crossed_and_no_others(colours_of: Callable[[bytes], set[str]]) -> None:
    right, wrong = ((5, 5), (5, 5)), ((5, 5), (5, 6))
    assert compared(right, right).marked == frozenset()
    assert compared(wrong, right).marked == {(1, 1)}
    assert compared(((5, 6),), right).marked == frozenset()
    crossed, plain = (draw_board(Board("", (Row((Stack((compared(grid, right),)),)),))) for grid in (wrong, right))
    assert "#000000" in colours_of(crossed)
    assert "#000000" not in colours_of(plain)
    assert ARC_COLOURS[6] in colours_of(crossed)


def test_frames_are_seen(colours_of: Callable[[bytes], set[str]]) -> None:
    stack = Stack((Panel(TEN),), "target", Frame(TEST, dashed=True, filled=True))
    assert {TEST, TARGET_GROUND} <= colours_of(draw_board(Board("", (Row((stack,)),))))


def test_text_is_text_in_an_svg(answered: AnsweredPair) -> None:
    svg = draw_board(answers_board([answered]), "svg").decode()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "task swap of d: e, t1.0" in texts
    assert {"✗ 1 of 4 wrong", "✓ right", "rank 2: 2 votes"} <= set(texts)
    assert ARC_COLOURS[9] in svg
    assert BETWEEN_CELLS in svg


@pytest.mark.parametrize("picture", ["png", "svg", "pdf"])
def test_the_same_board_gives_the_same_bytes(answered: AnsweredPair, picture: str) -> None:
    board = answers_board([answered])
    assert draw_board(board, picture) == draw_board(board, picture)


def test_ten_demonstrations_of_the_largest_grids_stay_on_a_page() -> None:
    pair = Stack((Panel(LARGE), Panel(LARGE)), "train 0")
    board = Board("task", (Row((pair,) * 10), Row((Stack((compared(LARGE, LARGE[::-1]),), "rank 1"),) * 5)))
    cell = fitting_cell(board)
    assert cell >= CELL_SIZES_CM[-1]
    assert board_height(board, cell) < 24  # what A4 has for text
    assert len(draw_board(board)) < 600_000


sides = st.integers(1, 30)
stacks = st.builds(
    lambda rows, columns, n, label: Stack((Panel(((0,) * columns,) * rows),) * n, label),
    sides,
    sides,
    st.integers(1, 2),
    st.sampled_from(["", "train 0", "rank 1: 32 votes\nsize 30x30 for 1x1"]),
)


@settings(max_examples=50)
@given(st.lists(st.lists(stacks, min_size=1, max_size=12), min_size=1, max_size=4))
def test_no_stack_is_lost_or_outside_the_paper(rows: list[list[Stack]]) -> None:
    board = Board("title", tuple(Row(tuple(each), "heading") for each in rows))
    cell = fitting_cell(board)
    for row in board.rows:
        lines = list(lines_of(row, cell))
        assert tuple(stack for line in lines for stack in line) == row.stacks
        for line in lines:
            assert sum(stack_width(stack, cell) for stack in line) + GAP_CM * (len(line) - 1) <= INSIDE_CM + 1e-9
    assert cell == CELL_SIZES_CM[-1] or board_height(board, cell) <= max(
        TALL_CM, TALLER * board_height(board, CELL_SIZES_CM[-1])
    )
