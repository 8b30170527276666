"""The command line: shows, refreshes and scores. With `--json` standard output is one JSON document, nothing else."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from arc_pipeline.arc.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.defs.refresh import Batch, Outcome
    from arc_pipeline.defs.session import Session
    from arc_pipeline.defs.staleness import Node, Status

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
errors = Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Select = Annotated[list[str], typer.Option("--select", help="Asset, experiment, dataset or decoding; * matches.")]
SHOWN_CAUSES = 3
DEMO = ("demo-fixed", "demo-legacy-swap")


def main() -> None:
    """Runs a command; errors that a user can mend end it with their message alone."""
    try:
        app()
    except ArcPipelineError as error:
        say(f"error: {error}", "bold red")
        sys.exit(1)


@app.command()
def demo(as_json: Json = False) -> None:
    """Materialize the whole graph for two experiments, alike but for the seed's augmentation bug."""
    from arc_pipeline.arc.results import what_it_shows

    started = time.monotonic()
    session = _session()
    if absent := set(DEMO) - set(session.experiments()):
        raise ArcPipelineError(f"the demo needs data/experiments/{sorted(absent)[0]}.yaml, which is not there")
    outcomes = _refresh(session, list(DEMO))
    _exit_on_failure(outcomes)
    rows = [row for row in _result_rows() if row["experiment"] in DEMO]
    _show_results(rows, as_json)
    words = f"made {sum(len(each.made) for each in outcomes)} artefacts" if outcomes else "everything was up to date"
    say(f"\n{words}, {time.monotonic() - started:.0f} s; look at them with: arc-pipeline dev")
    say(what_it_shows(rows, *DEMO), "bold")


@app.command()
def stale(as_json: Json = False, select: Select = []) -> None:  # noqa: B006
    """What is missing or stale, and why."""
    session = _session()
    _show_statuses(session.plan(select), as_json)


@app.command()
def refresh(
    as_json: Json = False,
    select: Select = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option(help="Only say what would be redone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    limit: Annotated[float, typer.Option(help="Ask before anything that may take longer than so many seconds.")] = 60,
) -> None:
    """Redo what is missing or stale, upstream first, and nothing else."""
    session = _session()
    planned = session.plan(select)
    if dry_run or not planned:
        _show_statuses(planned, as_json)
        return
    if not yes and (words := _longer_than(limit, planned)):
        _print_table(_status_rows(planned), errors)
        typer.confirm(f"make these {len(planned)} artefacts, {words}?", abort=True, err=True)
    outcomes = _refresh(session, select)
    made = {node for outcome in outcomes for node in outcome.made}
    ended = {each.node: "made" if each.node in made else "not made" for each in planned}
    _show_statuses(planned, as_json, ended)
    _exit_on_failure(outcomes)


@app.command()
def results(as_json: Json = False) -> None:
    """All experiments x datasets x decodings, as results_table has them."""
    _session()
    _show_results(_result_rows(), as_json)


@app.command()
def score(submission: Path, dataset: str, as_json: Json = False) -> None:
    """Score any file in Kaggle's submission format against a dataset."""
    from arc_pipeline.arc.score import read_submission
    from arc_pipeline.arc.score import score as score_submission

    _session()
    from arc_pipeline.defs.partitions import read_datasets

    found = score_submission(read_submission(submission), read_datasets().load(dataset), str(submission))
    if as_json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name}: {value}" for name, value in found.items()))


@app.command()
def trace(
    experiment: str,
    decoding: str,
    dataset: Annotated[str, typer.Option(help="The dataset of the cell; its first one if not given.")] = "",
    metric: Annotated[str, typer.Option(help="The metric of the cell.")] = "vote_2",
    version: Annotated[str, typer.Option(help="An older version: the beginning of its data version.")] = "",
    as_json: Json = False,
) -> None:
    """The chain from a table cell down to the source bytes; works from the files alone."""
    from arc_pipeline.arc.artefact import Artefact, Store, read_table
    from arc_pipeline.arc.trace import lines
    from arc_pipeline.arc.trace import trace as follow
    from arc_pipeline.defs.location import data_directory

    store, artefact = Store(data_directory() / "store"), Artefact("metrics", f"{experiment}/{decoding}")
    entries = follow(store, artefact, version)
    rows = read_table(store.version(artefact, entries[0]["data_version"]) or store.current(artefact), "metrics")
    cell = _cell_of(rows.to_pylist(), dataset, metric)
    for warning in _session().unrecorded(entries):
        say(f"warning: {warning}", "yellow")
    if as_json:
        print(json.dumps([{**cell, "experiment": experiment, "decoding": decoding}, *entries]))
    else:
        print(f"{experiment} {decoding} {cell['dataset']}: {metric} = {cell['value']:.4f}")
        print("\n".join(f"  {line}" for line in lines(entries)))


def _cell_of(rows: list[dict[str, Any]], dataset: str, metric: str) -> dict[str, Any]:
    found = [row for row in rows if dataset in {"", row["dataset"]}]
    if not found or metric not in found[0]:
        raise ArcPipelineError(
            f"there is no {metric} of {dataset or 'any dataset'}; datasets: {[r['dataset'] for r in rows]}"
        )
    return {"dataset": found[0]["dataset"], "metric": metric, "value": found[0][metric]}


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="EXPERIMENT, or EXPERIMENT@VERSION with a version of its metrics.")],
    b: str,
    decoding: Annotated[str, typer.Option(help="The way of decoding to compare at.")] = "t0.0",
    metric: Annotated[str, typer.Option(help="The metric whose tasks are compared.")] = "vote_2",
    as_json: Json = False,
) -> None:
    """What differs between two experiments, or two versions of one: config, data, code, tasks won and lost."""
    from arc_pipeline.arc.artefact import Store
    from arc_pipeline.arc.diff import Side, lines
    from arc_pipeline.arc.diff import diff as compare
    from arc_pipeline.defs.location import data_directory

    store = Store(data_directory() / "store")
    found = compare(store, Side.parse(a, decoding), Side.parse(b, decoding), metric)
    print(json.dumps(found) if as_json else "\n".join(lines(found)))


@app.command()
def history(
    experiment: str, decoding: Annotated[str, typer.Option(help="The way of decoding.")] = "t0.0", as_json: Json = False
) -> None:
    """Every kept version of an experiment's metrics, oldest first: the table before and after a fix."""
    from arc_pipeline.arc.artefact import Artefact, Store, read_table
    from arc_pipeline.defs.location import data_directory

    store, artefact = Store(data_directory() / "store"), Artefact("metrics", f"{experiment}/{decoding}")
    versions = [(path, store.read_lineage(path)) for path in store.versions(artefact)]
    current = store.current(artefact)
    rows = [
        {"version": path.name, "made": record.created_at, "current": path == current}
        | {name: row[name] for name in ("dataset", "accuracy", "correct_pixels", "vote_2")}
        for path, record in versions
        if record
        for row in read_table(path, "metrics").to_pylist()
    ]
    if as_json:
        print(json.dumps(rows))
    else:
        _print_table(rows, Console(width=None if sys.stdout.isatty() else 200))


@app.command()
def accept(
    asset: str,
    partition: Annotated[str, typer.Argument(help="As `stale` shows it, for example demo-fixed or demo-fixed/t0.0.")],
    reason: Annotated[str, typer.Option(help="Why the change of code does not matter; kept in the record.")],
) -> None:
    """Declare that a change of code leaves an artefact valid, so that it is not made again."""
    record = _session().accept(asset, partition, reason)
    say(f"accepted {record.artefact}: {record.accepted[-1]['changed']}")


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Open the Dagster UI, with its daemon, on the instance that the command line uses."""
    _session()
    say(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C ends it)")
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(sys.executable, [*command, "-m", "arc_pipeline.definitions"])


def _session() -> "Session":
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.definitions import defs
    from arc_pipeline.defs.session import Session

    session = Session.of(defs)
    for fault in session.misnamed():
        say(f"ignored: {fault}", "yellow")
    return session


def _refresh(session: "Session", select: list[str]) -> "list[Outcome]":
    def report(done: int, total: int, batch: "Batch") -> None:
        names = ", ".join(node.key for node in batch.nodes)
        say(f"{done}/{total} done, now: {names} [{batch.partition_key or 'all'}]", "cyan")

    outcomes = session.refresh(select, report)
    for outcome in outcomes:
        if outcome.failed:
            say(f"failed (run {outcome.run_id}): {outcome.failed}", "bold red")
    return outcomes


def _longer_than(limit: float, planned: "list[Status]") -> str:
    """How long it will take in words, if that is longer than the limit or not known."""
    from arc_pipeline.model.job import duration

    unknown = sorted({each.node.key for each in planned if each.seconds is None})
    total = sum(each.seconds or 0 for each in planned)
    if not unknown and total <= limit:
        return ""
    return f"about {duration(total)}" + (
        f" and what was never made before takes: {', '.join(unknown)}" if unknown else ""
    )


def _exit_on_failure(outcomes: "list[Outcome]") -> None:
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


def _result_rows() -> list[dict[str, Any]]:
    from arc_pipeline.arc.artefact import Artefact, Store, read_table
    from arc_pipeline.defs.location import data_directory

    store = Store(data_directory() / "store")
    rows: list[dict[str, Any]] = read_table(store.current(Artefact("results_table")), "results_table").to_pylist()
    return rows


def _show_results(rows: list[dict[str, Any]], as_json: bool) -> None:
    from arc_pipeline.arc.results import RESULT_FIELDS, shown_rows

    if as_json:
        print(json.dumps([{name: row[name] for name in RESULT_FIELDS} for row in rows]))
    else:
        _print_table(shown_rows(rows), Console(width=None if sys.stdout.isatty() else 200))


def _show_statuses(statuses: "list[Status]", as_json: bool, ended: "dict[Node, str] | None" = None) -> None:
    rows = _status_rows(statuses, ended)
    if as_json:
        print(json.dumps(rows))
    elif rows:
        _print_table(rows, Console(width=None if sys.stdout.isatty() else 200))
    else:
        say("nothing is missing or stale")
        return
    say(
        f"{len(rows)} artefacts; as far as it is known, redoing them takes {sum(r['seconds'] or 0 for r in rows):.0f} s"
    )


def _status_rows(statuses: "list[Status]", ended: "dict[Node, str] | None" = None) -> list[dict[str, Any]]:
    return [
        {"asset": each.node.key, "partition": each.node.artefact.partition, "status": each.status}
        | {"causes": each.causes, "seconds": each.seconds}
        | ({"ended": ended[each.node]} if ended else {})
        for each in statuses
    ]


def _print_table(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table(*(rows[0] if rows else ["empty"]))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(value[:SHOWN_CAUSES]) + (
            f"; and {len(value) - SHOWN_CAUSES} more" * (len(value) > SHOWN_CAUSES)
        )
    return "" if value is None else str(value)


def say(text: str, style: str = "") -> None:
    """Tells a person something on standard error; brackets in it are no markup."""
    errors.print(text, style=style, highlight=False, soft_wrap=True, markup=False)
