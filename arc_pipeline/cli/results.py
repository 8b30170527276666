"""The commands that show what came out: the tables over experiments, and the report as one page."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import print_sheet, say, wide_console, writing
from arc_pipeline.cli.options import LOOK, Json, examples
from arc_pipeline.cli.session import open_session, open_store
from arc_pipeline.errors import ArcPipelineError

shown = typer.Typer()
Row = dict[str, Any]


@shown.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "arc-pipeline results",
        "arc-pipeline results --table temperatures --sort vote_2",
        "arc-pipeline results --csv results.csv",
    ),
)
def results(
    table: Annotated[
        str, typer.Option(help="models, temperatures or duration.", show_default="models, shortened")
    ] = "",
    sort: Annotated[str, typer.Option(help="A column to sort by; metrics and counts from the highest.")] = "",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Also write the rows to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print the tables of metrics over all experiments.

    Each number has its 95 % interval; `*` marks one that beats every other row in a paired bootstrap over tasks.
    """
    from arc_pipeline.arc.evaluation.results import sorted_rows

    open_session()
    rows = table_rows(table or "models")
    if sort:
        rows = [dict(row) for row in sorted_rows(rows, sort)]
    if csv_file:
        write_csv(rows, csv_file)
    show_results(rows, table, as_json)


@shown.command(rich_help_panel=LOOK, epilog=examples("arc-pipeline report", "arc-pipeline report --output demo.html"))
def report(output: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html")) -> None:
    """Write one HTML page that needs no network: tables, curves, answers, lineage and what is stale."""
    session = open_session()
    from arc_pipeline.defs.upkeep.overview import overview
    from arc_pipeline.report.contents import read_contents
    from arc_pipeline.report.page import render
    from arc_pipeline.store.environment import environment

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    contents = read_contents(session.store, session.experiments())
    page = render(contents, overview(session), environment(), made, session.why_standing_back())
    with writing("--output", output):
        output.write_text(page, encoding="utf-8")
    say(f"wrote {output} ({decimal(len(page))})")


def table_rows(table: str) -> list[Row]:
    """The rows of a table as its asset has them."""
    from arc_pipeline.arc.evaluation.results import TABLES
    from arc_pipeline.arc.names import did_you_mean_or_all
    from arc_pipeline.store.artefact import Artefact, read_table

    if table not in TABLES:
        raise ArcPipelineError(f"unknown table {table!r}{did_you_mean_or_all(table, TABLES)}")
    directory = open_store().current(Artefact(TABLES[table]))
    rows: list[Row] = read_table(directory, TABLES[table]).to_pylist()
    if rows and "best" not in rows[0]:
        raise ArcPipelineError(f"{TABLES[table]} was made by an older version; run: arc-pipeline refresh")
    return rows


def show_results(rows: Sequence[Row], table: str, as_json: bool) -> None:
    """The rows of one table, or for a person what is usually looked at first."""
    from arc_pipeline.arc.evaluation.results import RESULT_FIELDS
    from arc_pipeline.report.tables import SHEETS

    if as_json:
        fields = rows[0] if table and rows else RESULT_FIELDS
        print(json.dumps([{name: row[name] for name in fields} for row in rows]))
        return
    for sheet in SHEETS[table or "models"](rows):
        print_sheet(sheet, wide_console())
    if not table:
        say(
            "more: arc-pipeline results --table temperatures | duration, --sort COLUMN, --csv FILE; arc-pipeline report"
        )


def write_csv(rows: Sequence[Row], file: Path) -> None:
    """One line a row, each metric with the ends of its interval in columns of their own."""
    from arc_pipeline.arc.evaluation.results import flat_row

    flat = [flat_row(row) for row in rows]
    with writing("--csv", file), file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(flat[0]) if flat else [])
        writer.writeheader()
        writer.writerows(flat)
