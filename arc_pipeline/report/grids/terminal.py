"""Boards and prompts on a terminal: cells as coloured blocks, or as digits where there is no colour. Uses rich."""

from collections.abc import Iterator

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel as Box
from rich.text import Text

from arc_pipeline.report.grids.colours import ARC_COLOURS, BETWEEN_CELLS, readable_on
from arc_pipeline.report.grids.grid_layout import Board, Panel, Stack

EDGE, WRONG = "▏", "X"


def print_board(board: Board, console: Console) -> None:
    """The title, then each row with as many stacks side by side as the terminal is wide."""
    console.print(Text(board.title, style="bold"))
    for row in board.rows:
        if row.heading:
            console.print(Text(f"\n{row.heading}"))
        console.print(Columns([_stack(stack, console) for stack in row.stacks], padding=(1, 3)))


def _stack(stack: Stack, console: Console) -> RenderableType:
    label = Text(stack.label, style="bold" if stack.bold else "")
    inside = Group(label, *_panels(stack, console))
    if not stack.frame:
        return inside
    # a test pair has another line, and the target a heavy one: they differ without colour
    line = box.HEAVY if stack.frame.filled else box.DOUBLE if stack.frame.dashed else box.ROUNDED
    return Box(inside, box=line, expand=False, padding=0, border_style=stack.frame.colour)


def _panels(stack: Stack, console: Console) -> Iterator[Text]:
    for number, panel in enumerate(stack.panels):
        if number:
            yield Text("↓")
        yield grid_text(panel, coloured=console.color_system is not None)


def grid_text(panel: Panel, coloured: bool) -> Text:
    """A cell is two characters wide, which is about a square; wrong ones have a mark."""
    lines = [Text() for _ in panel.grid]
    for row, colours in enumerate(panel.grid):
        for column, colour in enumerate(colours):
            wrong, ground = (row, column) in panel.marked, ARC_COLOURS[colour]
            if coloured:
                lines[row].append(EDGE, f"{BETWEEN_CELLS} on {ground}")
                lines[row].append(WRONG if wrong else " ", f"bold {readable_on(ground)} on {ground}")
            else:
                lines[row].append(f"{colour}{'!' if wrong else ' '}")
        lines[row].append(EDGE if coloured else "", BETWEEN_CELLS)
    return Text("\n").join(lines)
