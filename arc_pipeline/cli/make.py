"""The commands that make artefacts, or remove what nothing uses: demo, new, refresh, prune."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import errors, print_table, say, wide_console
from arc_pipeline.cli.options import MAKE, Json, Select, Yes, examples
from arc_pipeline.cli.results import read_results, show_results
from arc_pipeline.cli.session import complete_experiment, experiment_files_directory, open_session
from arc_pipeline.cli.statuses import (
    estimate_above,
    print_statuses,
    say_what_is_alike,
    say_what_is_skipped,
    status_rows,
)
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.defs.upkeep.runs import Batch, Outcome
    from arc_pipeline.defs.upkeep.session import Session
    from arc_pipeline.store.pruning import Version

SHOWN_OFFENDERS = 5
making = typer.Typer()
DEMO = ("demo-fixed", "demo-legacy-swap")


@making.command(rich_help_panel=MAKE, epilog=examples("arc-pipeline demo"))
def demo(as_json: Json = False) -> None:
    """Run the whole pipeline on ten ARC tasks: two small models, one of them trained with a bug in its data.

    Makes every artefact of the experiments demo-fixed and demo-legacy-swap and prints their metrics. What is there and
    up to date is not made again.
    """
    import pyarrow.compute as pc

    from arc_pipeline.arc.evaluation.results import frame_of, what_it_shows

    started = time.monotonic()
    session = open_session()
    if absent := set(DEMO) - set(session.experiments()):
        raise ArcPipelineError(f"the demo needs data/experiments/{sorted(absent)[0]}.yaml, which is not there")
    outcomes = _refresh(session, list(DEMO))
    _exit_on_failure(outcomes)
    made = read_results("models").filter(pc.field("experiment").isin(DEMO))
    show_results(made, "", as_json, session)
    n_made = sum(len(outcome.made) for outcome in outcomes)
    words = f"made {n_made} artefacts" if outcomes else "everything was up to date"
    say(f"\n{words}, {time.monotonic() - started:.0f} s; look at them with: arc-pipeline dev")
    say(what_it_shows(frame_of(made), *DEMO), "bold")


@making.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline new mine --from demo-fixed",
        "arc-pipeline new mine-adapted --from mine --test-time dataset",
    ),
)
def new(
    name: Annotated[str, typer.Argument(help="The name of the new experiment: letters, digits and `_ . -`.")],
    source: Annotated[
        str, typer.Option("--from", help="The experiment to copy or to adapt.", autocompletion=complete_experiment)
    ],
    test_time: Annotated[
        Literal["dataset", "task"] | None,
        typer.Option(
            help="Write its test-time training instead: an adapter trained on the demonstrations of the evaluation "
            "tasks, one for all tasks of a dataset or one for each task."
        ),
    ] = None,
) -> None:
    """Write the file of a new experiment, data/experiments/NAME.yaml, as a copy of another one."""
    from arc_pipeline.arc.new_experiment import adapt_experiment, copy_experiment

    directory = experiment_files_directory()
    if test_time:
        path = adapt_experiment(directory, source, name, test_time)
        say(f"wrote {path}, test-time training of {source}. Next: edit max_steps, tuning, predict ..., then")
    else:
        path = copy_experiment(directory, source, name)
        say(f"wrote {path}, a copy of {source}. Next: edit what should differ (model, train, predict ...), then")
    say(f"  arc-pipeline bench estimate {name}    # what its training will cost")
    say(f"  arc-pipeline refresh --select {name}  # make everything")


@making.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline refresh --dry-run",
        "arc-pipeline refresh --select demo-fixed --yes",
        "arc-pipeline refresh --select 'replica-*'",
    ),
)
def refresh(
    as_json: Json = False,
    select: Select = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    yes: Yes = False,
    limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Ask for confirmation if the estimate exceeds SECONDS.")
    ] = 60,
) -> None:
    """Make what is missing or stale, upstream first, and nothing else.

    An interrupted training resumes from its last saved state, and finished predictions are kept. The exit code is 1 if
    an artefact could not be made.
    """
    session = open_session()
    planned = session.plan(select)
    say_what_is_skipped(session, select)
    say_what_is_alike(session, planned)
    session.refuse_missing_weights(planned)
    if dry_run or not planned:
        print_statuses(planned, as_json)
        return
    if not yes and (words := estimate_above(limit, planned)):
        print_table(status_rows(planned), errors)
        typer.confirm(f"make these {len(planned)} artefacts, {words}?", abort=True, err=True)
    outcomes = _refresh(session, select)
    made = {node for outcome in outcomes for node in outcome.made}
    ended = {status.node: "made" if status.node in made else "not made" for status in planned}
    print_statuses(planned, as_json, ended)
    _exit_on_failure(outcomes)


@making.command(rich_help_panel=MAKE, epilog=examples("arc-pipeline prune --dry-run"))
def prune(
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    yes: Yes = False,
) -> None:
    """List the versions of all checkpoints with their sizes, and remove those that nothing current uses.

    Also lists the completions that are kept of each checkpoint, and the states of unfinished trainings.
    """
    from arc_pipeline.store.pruning import remove

    session = open_session()
    from arc_pipeline.defs.staleness.used_versions import checkpoints

    versions = checkpoints(session.project, session.instance)
    unused = [version for version in versions if not version.used_by]
    if not (as_json and (yes or dry_run)):
        rows = [version.row() | {"bytes": decimal(version.n_bytes)} for version in versions]
        print_table(rows, errors if as_json else wide_console())
    removed = []
    if unused and not dry_run:
        if not yes:
            typer.confirm(f"remove {_counted(unused)}?", abort=True, err=True)
        # a person may have thought for long: what is used by now stays
        removed = remove(version for version in checkpoints(session.project, session.instance) if version in unused)
    if as_json:
        print(json.dumps([version.row() | {"removed": version in removed} for version in versions]))
    say(f"unused: {_counted(unused)}" if dry_run else f"removed: {_counted(removed)}")


def _counted(versions: "list[Version]") -> str:
    return f"{len(versions)} versions, {decimal(sum(version.n_bytes for version in versions))}"


def _refresh(session: "Session", select: list[str]) -> "list[Outcome]":
    def report(done: int, total: int, batch: "Batch") -> None:
        names = ", ".join(node.key for node in batch.nodes)
        say(f"{done}/{total} done, now: {names} [{batch.partition_key or 'all'}]", "cyan")

    def reported(done: int, total: int) -> None:
        say(f"{done:,} of {total:,} artefacts that are on disk are in Dagster's database again", "cyan")

    outcomes = session.refresh(select, report, reported)
    for outcome in outcomes:
        if outcome.failed:
            say(f"failed (run {outcome.run_id}): {outcome.failed}", "bold red")
    say_warnings(session, outcomes)
    return outcomes


def say_warnings(session: "Session", outcomes: "list[Outcome]") -> None:
    """The checks of what was made that failed without stopping anything, with the first that they name."""
    for artefact in dict.fromkeys(node.artefact for outcome in outcomes for node in outcome.made):
        record = session.store.lineage(artefact)
        for name, check in (record.checks if record else {}).items():
            if not check["passed"]:
                say(f"warning: {artefact}: {name}: {check['description']}", "yellow")
                for offender in check["offenders"][:SHOWN_OFFENDERS]:
                    say(f"  {offender}", "yellow")
                if (more := len(check["offenders"]) - SHOWN_OFFENDERS) > 0:
                    say(f"  and {more} more", "yellow")


def _exit_on_failure(outcomes: "list[Outcome]") -> None:
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)
