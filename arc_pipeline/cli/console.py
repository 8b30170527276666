"""What the commands print: words for a person on standard error, a table or one JSON document on standard output."""

import itertools
import json
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.report.tables import Cell, Sheet

errors = Console(stderr=True)
SHOWN_CAUSES = 3
# names of columns that are broken at an underscore where the screen is narrow
LONG = 9
# characters of a cell that may be broken
BROKEN = 20
# columns where there is no terminal
WIDE = 200


def say(text: str, style: str = "") -> None:
    """Tells a person something on standard error; brackets in it are no markup."""
    errors.print(text, style=style, highlight=False, soft_wrap=True, markup=False)


STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def print_finding(check: str, status: str, finding: str, remedy: str) -> None:
    """One line on standard output for what was found, and one for what to do."""
    line = Text.assemble((f"{status:<8}", STYLES[status]), f"{check}: {finding}")
    console = Console()
    console.print(line, soft_wrap=True, highlight=False)
    if remedy:
        console.print(Text(f"        {remedy}", "dim"), soft_wrap=True, highlight=False)


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Says which option named a file that cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise ArcPipelineError(f"{option} {path} cannot be written: {error.strerror}") from error


def print_result(document: Any, rows: list[dict[str, Any]], as_json: bool) -> None:
    """A command's result: the document for a program, or the rows for a person."""
    if as_json:
        print(json.dumps(document))
    else:
        print_table(rows, wide_console())


def wide_console() -> Console:
    """Standard output, wide enough for a table where it is no terminal."""
    return Console(width=columns())


def columns() -> int | None:
    """The width of a screen; None for a terminal, which knows its own."""
    return None if sys.stdout.isatty() else WIDE


def print_table(rows: list[dict[str, Any]], console: Console, right: Collection[str] = ()) -> None:
    """Rows that have the same keys, in lines that break where the screen is narrow, or that there are none."""
    if not rows:
        console.print("none")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name, value in rows[0].items():
        is_number = name in right or (isinstance(value, int | float) and not isinstance(value, bool))
        # short cells are not broken, the last column may be long
        breaks = name == list(rows[0])[-1] or any(len(_cell(row[name])) > BROKEN for row in rows)
        justify = "right" if is_number else "left"
        table.add_column(_heading(name), justify=justify, overflow="fold", no_wrap=not breaks)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _heading(name: str) -> str:
    """A long name of a column in lines."""
    return name.replace("_", "_\n", 1).replace(" ", "\n") if len(name) >= LONG else name


def day_and_time(moment: str) -> str:
    """A moment in ISO format as people write it, in minutes; what is none stays as it is."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return moment


def print_sheet(sheet: "Sheet", console: Console) -> None:
    """A table of metrics in the widest layout that fits the screen; in the narrowest, intervals lie below numbers."""
    layouts = (_beside(sheet, 1), _beside(sheet, 0), _below(sheet))
    unbounded = console.options.update(width=10_000)
    fitting = (table for table in layouts if console.measure(table, options=unbounded).maximum <= console.width)
    console.print(Text(sheet.title, style="bold"))
    console.print(next(fitting, layouts[-1]))
    for note in sheet.notes:
        console.print(Text(note, style="dim"))
    console.print()


def _beside(sheet: "Sheet", padding: int) -> Table:
    """Each row on one line."""
    rows = [[_text(cell, " ") for cell in row] for row in sheet.rows]
    return _sheet_table(sheet, [name.replace("/", "/\n") for name in sheet.columns], rows, padding)


def _below(sheet: "Sheet") -> Table:
    """Intervals below their numbers, the details of a row below its name, but for those that the command can tell."""
    shown = len(sheet.columns) - sheet.details
    counted = sheet.columns[sheet.counts].replace("answered/", "answered/\n") if sheet.counts else ""
    broken = (name.replace("_", "_\n") if len(name) > LONG else name for name in sheet.columns[1:shown])
    names = [f"{sheet.columns[0]}\n{counted}".rstrip(), *broken]
    counts = [f"\n{row[sheet.counts].text}" if sheet.counts else "" for row in sheet.rows]
    rows = [
        [Text(row[0].text).append(below, style="dim"), *(_text(cell, "\n") for cell in row[1:shown])]
        for row, below in zip(sheet.rows, counts, strict=True)
    ]
    return _sheet_table(sheet, names, rows, padding=0)


def _sheet_table(sheet: "Sheet", names: list[str], rows: list[list[Text]], padding: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, padding), pad_edge=False, show_edge=False)
    for place, name in enumerate(names):
        table.add_column(Text(name), justify="left" if place < sheet.keys else "right", overflow="fold")
    for cells, row, following in itertools.zip_longest(rows, sheet.rows, sheet.rows[1:]):
        ends = sheet.keys == 2 and following is not None and row[0] != following[0]
        table.add_row(*cells, end_section=ends)
    return table


def _text(cell: "Cell", between: str) -> Text:
    text = Text(cell.value, style="bold" if cell.best else "")
    return text.append(f"{between}{cell.interval}", style="not bold dim") if cell.interval else text


def _cell(value: Any) -> str:
    if isinstance(value, list):
        more = f"; and {len(value) - SHOWN_CAUSES} more" * (len(value) > SHOWN_CAUSES)
        return "; ".join(value[:SHOWN_CAUSES]) + more
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
