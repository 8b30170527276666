"""The commands that show what came out: the tables over experiments, and the report as one page."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import print_sheet, say, wide_console, writing
from arc_pipeline.cli.options import LOOK, Json, examples
from arc_pipeline.cli.session import open_reader, open_session, open_store
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    import pyarrow as pa
    from pandas import DataFrame

    from arc_pipeline.defs.upkeep.session import Session

shown = typer.Typer()
Format: TypeAlias = Literal["table", "markdown", "latex", "csv", "json"]
SHOWN_CAUSES = 10


@shown.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "arc-pipeline results",
        "arc-pipeline results --table temperatures --sort vote_2",
        "arc-pipeline results --format latex",
        "arc-pipeline results --csv results.csv",
    ),
)
def results(
    table: Annotated[
        str, typer.Option(help="models, temperatures or duration.", show_default="models, shortened")
    ] = "",
    sort: Annotated[str, typer.Option(help="A column to sort by; metrics and counts from the highest.")] = "",
    form: Annotated[
        Format, typer.Option("--format", help="What to print: csv and json have every row, with all digits.")
    ] = "table",
    version: Annotated[
        str, typer.Option(help="The beginning of a version of the table, as it was then.", show_default="current")
    ] = "",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Also write the rows to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print the tables of metrics over all experiments.

    Each number has its 95 % interval; `*` marks one that beats every other row in a paired bootstrap over tasks, `†`
    one that is stale: what it was made from has changed since.
    """
    from arc_pipeline.arc.evaluation.results import sorted_results

    if as_json and form not in {"table", "json"}:
        raise ArcPipelineError(f"--json and --format {form} are two formats; choose one of them")
    session = open_reader()
    stored = read_results(table or "models", version)
    if sort:
        stored = sorted_results(stored, sort)
    if csv_file:
        write_csv(csv_frame(stored, session), csv_file)
    show_results(stored, table, "json" if as_json else form, session)


@shown.command(rich_help_panel=LOOK, epilog=examples("arc-pipeline report", "arc-pipeline report --output demo.html"))
def report(output: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html")) -> None:
    """Write one HTML page that needs no network: tables, curves, answers, lineage and what is stale."""
    session = open_session()
    from arc_pipeline.cli.statuses import short_time, what_of
    from arc_pipeline.defs.staleness.causes import by_cause
    from arc_pipeline.defs.upkeep.overview import overview
    from arc_pipeline.report.contents import read_contents
    from arc_pipeline.report.page import Work, render
    from arc_pipeline.store.environment import environment

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")

    def stale(traces: Sequence[str]) -> set[str]:
        return {trace for trace, why in session.reasons(traces).items() if why}

    contents = read_contents(session.store, session.experiments(), stale)
    scanner, planned = session.look()
    work = [
        Work(cause.kind, cause.words, len(cause.statuses), what_of(cause.statuses), short_time(cause.statuses))
        for cause in by_cause(planned, scanner.parents)
    ]
    planned_names = {(status.node.key, status.node.artefact.partition) for status in planned}
    page = render(contents, overview(session), environment(), made, session.explain_on_hold(), work, planned_names)
    with writing("--output", output):
        output.write_text(page, encoding="utf-8")
    say(f"wrote {output} ({decimal(len(page))})")


def read_results(table: str, version: str = "") -> "pa.Table":
    """A table over experiments as its asset has it, or had it at a version."""
    from arc_pipeline.arc.evaluation.results import stored_results

    return stored_results(open_store(), table, version)


def show_results(stored: "pa.Table", table: str, form: Format, session: "Session") -> None:
    """The rows of one table, or for a person what is usually looked at first; what is stale is marked as such."""
    from arc_pipeline.arc.evaluation.results import RESULT_FIELDS, frame_of, marked, with_ranked
    from arc_pipeline.report.latex import latex
    from arc_pipeline.report.tables import SHEETS, markdown

    reasons = session.reasons(stored["trace"].to_pylist())
    if form == "json":
        rows = (stored if table else stored.select(with_ranked(RESULT_FIELDS, stored))).to_pylist()
        print(json.dumps([row | {"stale": reasons[row["trace"]]} for row in rows]))
        return
    if form == "csv":
        csv_frame(stored, session).to_csv(sys.stdout, index=False)
        return
    stale = {trace for trace, why in reasons.items() if why}
    sheets = SHEETS[table or "models"](frame_of(marked(stored, stale)))
    if form == "table":
        console = wide_console()
        for sheet in sheets:
            print_sheet(sheet, console)
    else:
        print({"markdown": markdown, "latex": latex}[form](sheets))
    say_causes(reasons)
    for name, words in without_solutions(session).items():
        say(f"{name}: {words}, so there are no metrics; its submission is in data/store/attempts/{name}", "yellow")
    say_left_out(stored, table or "models", session)
    if not table and form == "table":
        say("more: arc-pipeline results --table temperatures | duration, --format FORMAT; arc-pipeline report")


def say_causes(reasons: dict[str, list[str]]) -> None:
    """Why rows are stale, each cause once."""
    if causes := list(dict.fromkeys(cause for why in reasons.values() for cause in why)):
        say("† stale, so these numbers do not hold any more; to redo them run: arc-pipeline refresh", "yellow")
        for cause in causes[:SHOWN_CAUSES]:
            say(f"  {cause}", "yellow")
        if len(causes) > SHOWN_CAUSES:
            say(f"  and {len(causes) - SHOWN_CAUSES} more causes: arc-pipeline stale", "yellow")


def say_left_out(stored: "pa.Table", table: str, session: "Session") -> None:
    """Which rows of the table and which experiments are not shown, so that nothing is missed unawares."""
    from arc_pipeline.arc.names import listed

    decodings = sorted(set(stored["decoding"].to_pylist()))
    if table != "temperatures" and len(decodings) > 1:
        say(f"shown: {decodings[0]}; of {', '.join(decodings[1:])}: arc-pipeline results --table temperatures")
    on_hold = session.on_hold().names
    if absent := sorted({*session.experiments()} - {*stored["experiment"].to_pylist()} - on_hold):
        say(f"not in this table, since not made yet: {listed(absent)}", "yellow")


def csv_frame(stored: "pa.Table", session: "Session") -> "DataFrame":
    """One line a row, each metric with the ends of its interval in columns of their own; lists as words, and why the
    row is stale, if it is."""
    from arc_pipeline.arc.evaluation.results import frame_of

    reasons = session.reasons(stored["trace"].to_pylist())
    flat = frame_of(stored).map(lambda value: " ".join(value) if isinstance(value, list) else value)
    return flat.assign(stale=["; ".join(reasons[trace]) for trace in flat["trace"]])


def without_solutions(session: "Session") -> dict[str, str]:
    """By experiment what its summary says of datasets without solutions, of which no table has a row."""
    from arc_pipeline.store.artefact import Artefact

    records = {name: session.store.lineage(Artefact("experiment_summary", name)) for name in session.experiments()}
    notes = {name: record.metadata.get("without_solutions") for name, record in records.items() if record}
    return {name: str(note) for name, note in notes.items() if note}


def write_csv(results: "DataFrame", file: Path) -> None:
    """Writes rows as a spreadsheet reads them."""
    with writing("--csv", file), file.open("w", newline="", encoding="utf-8") as opened:
        results.to_csv(opened, index=False, lineterminator="\r\n")
