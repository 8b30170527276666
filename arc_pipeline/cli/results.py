"""The commands that show what came out: the tables over experiments, and the report as one page."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import print_sheet, say, wide_console, writing
from arc_pipeline.cli.options import LOOK, Json, examples
from arc_pipeline.cli.session import open_reader, open_session, open_store

if TYPE_CHECKING:
    import pyarrow as pa
    from pandas import DataFrame

    from arc_pipeline.defs.upkeep.session import Session

shown = typer.Typer()


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
    from arc_pipeline.arc.evaluation.results import frame_of, sorted_results

    session = open_reader()
    stored = read_results(table or "models")
    if sort:
        stored = sorted_results(stored, sort)
    if csv_file:
        write_csv(frame_of(stored), csv_file)
    show_results(stored, table, as_json, session)


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
    page = render(contents, overview(session), environment(), made, session.explain_on_hold())
    with writing("--output", output):
        output.write_text(page, encoding="utf-8")
    say(f"wrote {output} ({decimal(len(page))})")


def read_results(table: str) -> "pa.Table":
    """A table over experiments as its asset has it."""
    from arc_pipeline.arc.evaluation.results import stored_results

    return stored_results(open_store(), table)


def show_results(stored: "pa.Table", table: str, as_json: bool, session: "Session") -> None:
    """The rows of one table, or for a person what is usually looked at first; what is stale is marked as such."""
    from arc_pipeline.arc.evaluation.results import RESULT_FIELDS, frame_of, marked
    from arc_pipeline.report.tables import SHEETS

    reasons = session.reasons(stored["trace"].to_pylist())
    if as_json:
        rows = (stored if table else stored.select(RESULT_FIELDS)).to_pylist()
        print(json.dumps([row | {"stale": reasons[row["trace"]]} for row in rows]))
        return
    shown_rows = marked(stored, {trace for trace, why in reasons.items() if why})
    for sheet in SHEETS[table or "models"](frame_of(shown_rows)):
        print_sheet(sheet, wide_console())
    if causes := list(dict.fromkeys(cause for why in reasons.values() for cause in why)):
        say("stale, so these numbers do not hold any more; to redo them run: arc-pipeline refresh", "yellow")
        for cause in causes:
            say(f"  {cause}", "yellow")
    for name, words in without_solutions(session).items():
        say(f"{name}: {words}, so there are no metrics; its submission is in data/store/attempts/{name}", "yellow")
    if not table:
        say(
            "more: arc-pipeline results --table temperatures | duration, --sort COLUMN, --csv FILE; arc-pipeline report"
        )


def without_solutions(session: "Session") -> dict[str, str]:
    """By experiment what its summary says of datasets without solutions, of which no table has a row."""
    from arc_pipeline.store.artefact import Artefact

    records = {name: session.store.lineage(Artefact("experiment_summary", name)) for name in session.experiments()}
    notes = {name: record.metadata.get("without_solutions") for name, record in records.items() if record}
    return {name: str(note) for name, note in notes.items() if note}


def write_csv(results: "DataFrame", file: Path) -> None:
    """One line a row, each metric with the ends of its interval in columns of their own; lists as words."""
    flat = results.map(lambda value: " ".join(value) if isinstance(value, list) else value)
    with writing("--csv", file), file.open("w", newline="", encoding="utf-8") as opened:
        flat.to_csv(opened, index=False, lineterminator="\r\n")
