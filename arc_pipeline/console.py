"""What the commands print: words for a person on standard error, a table or one JSON document on standard output."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

errors = Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
SHOWN_CAUSES = 3


def say(text: str, style: str = "") -> None:
    """Tells a person something on standard error; brackets in it are no markup."""
    errors.print(text, style=style, highlight=False, soft_wrap=True, markup=False)


def show(document: Any, rows: list[dict[str, Any]], as_json: bool) -> None:
    """The command's result: the document for a program, or the rows for a person."""
    if as_json:
        print(json.dumps(document))
    else:
        print_table(rows, wide_console())


def wide_console() -> Console:
    """Standard output, wide enough for a table where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


def print_table(rows: list[dict[str, Any]], console: Console) -> None:
    """Rows that have the same keys, or a table that says that there are none."""
    table = Table(*(rows[0] if rows else ["empty"]))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        more = f"; and {len(value) - SHOWN_CAUSES} more" * (len(value) > SHOWN_CAUSES)
        return "; ".join(value[:SHOWN_CAUSES]) + more
    return "" if value is None else str(value)


def size(n_bytes: float) -> str:
    """Bytes in a person's words."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
