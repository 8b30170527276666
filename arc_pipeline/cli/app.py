"""The command line: shows, refreshes and scores. With `--json` standard output is one JSON document, nothing else."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from arc_pipeline.cli.bench import bench
from arc_pipeline.cli.console import Json, errors, print_table, say, size, wide_console
from arc_pipeline.cli.dev import interface
from arc_pipeline.cli.failures import failing
from arc_pipeline.cli.lineage import lineage
from arc_pipeline.cli.results import read_results, show_results, shown
from arc_pipeline.cli.session import open_session
from arc_pipeline.cli.show import pictures
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.defs.upkeep.refresh import Batch, Outcome
    from arc_pipeline.defs.upkeep.session import Session
    from arc_pipeline.defs.upkeep.staleness import Node, Status

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(bench)
app.add_typer(interface)
app.add_typer(lineage)
app.add_typer(shown)
app.add_typer(pictures)
app.add_typer(failing)
Select = Annotated[list[str], typer.Option("--select", help="Asset, experiment, dataset or decoding; * matches.")]
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
    import pyarrow.compute as pc

    from arc_pipeline.arc.evaluation.results import frame_of, what_it_shows

    started = time.monotonic()
    session = open_session()
    if absent := set(DEMO) - set(session.experiments()):
        raise ArcPipelineError(f"the demo needs data/experiments/{sorted(absent)[0]}.yaml, which is not there")
    outcomes = _refresh(session, list(DEMO))
    _exit_on_failure(outcomes)
    made = read_results("models").filter(pc.field("experiment").isin(DEMO))
    show_results(made, "", as_json)
    words = f"made {sum(len(each.made) for each in outcomes)} artefacts" if outcomes else "everything was up to date"
    say(f"\n{words}, {time.monotonic() - started:.0f} s; look at them with: arc-pipeline dev")
    say(what_it_shows(frame_of(made), *DEMO), "bold")


@app.command()
def stale(as_json: Json = False, select: Select = []) -> None:  # noqa: B006
    """What is missing or stale, and why."""
    session = open_session()
    _show_statuses(session.plan(select), as_json)
    _say_who_stands_back(session, select)


@app.command()
def refresh(
    as_json: Json = False,
    select: Select = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option(help="Only say what would be redone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    limit: Annotated[float, typer.Option(help="Ask before anything that may take longer than so many seconds.")] = 60,
) -> None:
    """Redo what is missing or stale, upstream first, and nothing else."""
    session = open_session()
    planned = session.plan(select)
    _say_who_stands_back(session, select)
    session.refuse_waiting(planned)
    if dry_run or not planned:
        _show_statuses(planned, as_json)
        return
    if not yes and (words := _longer_than(limit, planned)):
        print_table(_status_rows(planned), errors)
        typer.confirm(f"make these {len(planned)} artefacts, {words}?", abort=True, err=True)
    outcomes = _refresh(session, select)
    made = {node for outcome in outcomes for node in outcome.made}
    ended = {each.node: "made" if each.node in made else "not made" for each in planned}
    _show_statuses(planned, as_json, ended)
    _exit_on_failure(outcomes)


@app.command()
def score(submission: Path, dataset: str, as_json: Json = False) -> None:
    """Score any file in Kaggle's submission format against a dataset."""
    from arc_pipeline.arc.evaluation.score import read_submission, score_submission

    open_session()
    from arc_pipeline.defs.partitions import read_datasets

    found = score_submission(read_submission(submission), read_datasets().load(dataset), str(submission))
    if as_json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name}: {value}" for name, value in found.items()))


@app.command()
def new(
    name: str,
    source: Annotated[str, typer.Option("--from", help="The experiment that it begins as.")],
    test_time: Annotated[
        Literal["dataset", "task"] | None,
        typer.Option(help="Train it further on the tasks that are asked: an adapter for all of them, or one a task."),
    ] = None,
) -> None:
    """Write data/experiments/NAME.yaml as a copy of another experiment, or as its test-time training, to be edited."""
    from arc_pipeline.arc.new_experiment import adapt_experiment, copy_experiment
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.defs.instance import prepare

    prepare()
    directory = data_directory() / "experiments"
    if test_time:
        path = adapt_experiment(directory, source, name, test_time)
        say(f"wrote {path}, test-time training of {source}. Next: edit max_steps, tuning, predict ..., then")
    else:
        path = copy_experiment(directory, source, name)
        say(f"wrote {path}, a copy of {source}. Next: edit what shall differ (model, train, predict ...), then")
    say(f"  arc-pipeline bench estimate {name}    # what its training will cost")
    say(f"  arc-pipeline refresh --select {name}  # make everything")


@app.command()
def prune(
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option(help="Only list them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """List all checkpoints and completions kept of them, with sizes; remove what nothing current uses."""
    from arc_pipeline.store.pruning import remove

    session = open_session()
    from arc_pipeline.defs.upkeep.used_versions import checkpoints

    versions = checkpoints(session.store, session.instance)
    unused = [each for each in versions if not each.used_by]
    if not (as_json and (yes or dry_run)):
        rows = [each.row() | {"bytes": size(each.n_bytes)} for each in versions]
        print_table(rows, errors if as_json else wide_console())
    removed = []
    if unused and not dry_run:
        total = size(sum(each.n_bytes for each in unused))
        if not yes:
            typer.confirm(f"remove {len(unused)} versions, {total}?", abort=True, err=True)
        # a person may have thought for long: what is used by now stays
        removed = remove(each for each in checkpoints(session.store, session.instance) if each in unused)
    if as_json:
        print(json.dumps([each.row() | {"removed": each in removed} for each in versions]))
    ended, counted = ("unused", unused) if dry_run else ("removed", removed)
    say(f"{ended}: {len(counted)} versions, {size(sum(each.n_bytes for each in counted))}")


def _refresh(session: "Session", select: list[str]) -> "list[Outcome]":
    def report(done: int, total: int, batch: "Batch") -> None:
        names = ", ".join(node.key for node in batch.nodes)
        say(f"{done}/{total} done, now: {names} [{batch.partition_key or 'all'}]", "cyan")

    outcomes = session.refresh(select, report)
    for outcome in outcomes:
        if outcome.failed:
            say(f"failed (run {outcome.run_id}): {outcome.failed}", "bold red")
    return outcomes


def _say_who_stands_back(session: "Session", select: list[str]) -> None:
    """Which experiments were left out because they stand back, and why."""
    for line in session.why_standing_back(select):
        say(line, "yellow")


def _longer_than(limit: float, planned: "list[Status]") -> str:
    """How long it will take in words, if that is longer than the limit or not known."""
    from arc_pipeline.model.training.job import duration

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


def _show_statuses(statuses: "list[Status]", as_json: bool, ended: "dict[Node, str] | None" = None) -> None:
    rows = _status_rows(statuses, ended)
    if as_json:
        print(json.dumps(rows))
    elif rows:
        print_table(rows, wide_console())
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
