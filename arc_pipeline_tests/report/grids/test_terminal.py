"""Boards on a terminal: coloured blocks, or digits where there is no colour."""

import io

from rich.console import Console

from arc_pipeline.report.grids.colours import ARC_COLOURS, COLOUR_NAMES, readable_on
from arc_pipeline.report.grids.gallery import AnsweredPair, answers_board
from arc_pipeline.report.grids.grid_layout import Board, Frame, Panel, Row, Stack
from arc_pipeline.report.grids.terminal import grid_text, print_board


def test_cells_are_blocks_of_their_colour() -> None:
    text = grid_text(Panel(((1, 2), (3, 0)), frozenset({(1, 1)})), coloured=True)
    assert text.plain == "▏ ▏ ▏\n▏ ▏X▏"
    grounds = [str(span.style).split(" on ")[1] for span in text.spans if " on " in str(span.style)]
    assert grounds == [ARC_COLOURS[colour] for colour in (1, 1, 2, 2, 3, 3, 0, 0)]


def test_without_colour_cells_are_digits() -> None:
    assert grid_text(Panel(((1, 2), (3, 0)), frozenset({(1, 1)})), coloured=False).plain == "1 2 \n3 0!"


def test_a_mark_is_readable_on_every_colour() -> None:
    assert len(ARC_COLOURS) == len(COLOUR_NAMES) == len(set(ARC_COLOURS)) == 10
    assert {readable_on(colour) for colour in ARC_COLOURS} == {"#000000", "#ffffff"}
    assert (readable_on("#000000"), readable_on("#ffdc00")) == ("#ffffff", "#000000")


def printed(board: Board, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_board(board, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_all_words_of_a_board_are_printed(answered: AnsweredPair) -> None:
    board = answers_board([answered])
    text = printed(board, 120)
    words = [board.title, board.rows[1].heading, *(line for s in board.stacks for line in s.label.splitlines())]
    assert all(word in text for word in words)


def test_the_largest_grids_fit_a_terminal_of_80() -> None:
    grid = ((1,) * 30,) * 30
    stacks = (Stack((Panel(grid), Panel(grid)), "train 0", Frame("#777777")),) * 3
    lines = printed(Board("t", (Row(stacks),)), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("1 " * 30 in line for line in lines) == 3 * 2 * 30


def test_kinds_of_frames_differ_without_colour() -> None:
    frames = [Frame("red"), Frame("red", dashed=True), Frame("red", filled=True)]
    corners = [printed(Board("", (Row((Stack((Panel(((1,),)),), "", frame),)),)), 80).strip()[0] for frame in frames]
    assert len(set(corners)) == 3
