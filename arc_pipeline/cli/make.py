"""The commands that make artefacts, or remove what nothing uses: demo, new, refresh, prune."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import errors, print_table, say, wide_console, writing
from arc_pipeline.cli.options import MAKE, Json, Select, Yes, examples
from arc_pipeline.cli.results import read_results, show_results
from arc_pipeline.cli.session import complete_experiment, experiment_files_directory, known_dataset, open_session
from arc_pipeline.cli.statuses import (
    estimate_above,
    print_artefacts,
    print_statuses,
    say_what_is_alike,
    say_what_is_skipped,
)
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.defs.staleness.scanner import Status
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
    show_results(made, "", "json" if as_json else "table", session)
    n_made = sum(len(outcome.made) for outcome in outcomes)
    words = f"made {n_made} artefacts" if outcomes else "everything was up to date"
    say(f"\n{words}, {time.monotonic() - started:.0f} s; look at them with: arc-pipeline dev")
    say(what_it_shows(frame_of(made), *DEMO), "bold")


@making.command(rich_help_panel=MAKE, epilog=examples("arc-pipeline init my-project"))
def init(
    directory: Annotated[Path, typer.Argument(help="Where the project is to be: data/ is made in it.")],
) -> None:
    """Make a project outside a clone: DIRECTORY/data/ with datasets, experiments, and a place for your files.

    Commands find it from anywhere below DIRECTORY. What is there already stays as it is.
    """
    from arc_pipeline.project import Project

    project = Project((directory / "data").absolute())
    if project.exists:
        raise ArcPipelineError(f"{project.data} is there already; work in it with: cd {directory}")
    with writing("DIRECTORY", directory):
        project.create(directory.absolute())
    say(f"made {project.data}. Next: cd {directory}, then")
    say("  arc-pipeline demo    # the whole pipeline on ten tasks")
    say("  arc-pipeline new     # an experiment of your own; your files belong into data/raw/, see its README.md")


@making.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline new mine --dataset my-tasks",
        "arc-pipeline new mine --from demo-fixed",
        "arc-pipeline new mine-adapted --from mine --test-time dataset",
    ),
)
def new(
    name: Annotated[str, typer.Argument(help="The name of the new experiment: letters, digits and `_ . -`.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="The experiment to copy or to adapt; without it, all fields are written with their defaults.",
            autocompletion=complete_experiment,
        ),
    ] = "",
    dataset: Annotated[
        str, typer.Option(help="Without --from: the dataset to train and to evaluate on, such as your own.")
    ] = "arc-agi-1-ten-shortest",
    test_time: Annotated[
        Literal["dataset", "task"] | None,
        typer.Option(
            help="Write its test-time training instead: an adapter trained on the demonstrations of the evaluation "
            "tasks, one for all tasks of a dataset or one for each task."
        ),
    ] = None,
) -> None:
    """Write the file of a new experiment, data/experiments/NAME.yaml: every field explained, or a copy of another."""
    from arc_pipeline.arc.new_experiment import adapt_experiment, copy_experiment, write_template

    directory = experiment_files_directory()
    if test_time and not source:
        raise ArcPipelineError("--test-time adapts an experiment; name it with --from")
    if not source:
        path = write_template(directory, name, known_dataset(dataset))
        say(f"wrote {path}, with every field and what it may be. Next: edit train, predict, max_steps ..., then")
    elif test_time:
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
        print_artefacts(planned, errors)
        typer.confirm(f"make these {len(planned)} artefacts, {words}?", abort=True, err=True)
    outcomes = _refresh(session, select, planned)
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
        print_table(version_rows(versions), errors if as_json else wide_console(), right=("size",))
    removed = []
    if unused and not dry_run:
        if not yes:
            typer.confirm(f"remove {_counted(unused)}?", abort=True, err=True)
        # a person may have thought for long: what is used by now stays
        removed = remove(version for version in checkpoints(session.project, session.instance) if version in unused)
    if as_json:
        print(json.dumps([version.row() | {"removed": version in removed} for version in versions]))
    say(f"unused: {_counted(unused)}" if dry_run else f"removed: {_counted(removed)}")


def version_rows(versions: "list[Version]") -> list[dict[str, Any]]:
    """For a person: which versions there are of what, and why each of them stays."""
    return [
        {"what": f"{version.asset} of {version.experiment}", "version": version.name, "size": decimal(version.n_bytes)}
        | {"used by": _users(version.used_by)}
        for version in versions
    ]


def _users(names: Sequence[str]) -> str:
    if not names:
        return "nothing: can be removed"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _counted(versions: "list[Version]") -> str:
    return f"{len(versions)} versions, {decimal(sum(version.n_bytes for version in versions))}"


def _refresh(session: "Session", select: list[str], planned: "Sequence[Status]" = ()) -> "list[Outcome]":
    from arc_pipeline.machine.durations import readable_duration

    pending = {status.node: status.seconds for status in planned}

    def report(done: int, total: int, batch: "Batch") -> None:
        seconds = [known for known in pending.values() if known is not None]
        left = f", about {readable_duration(sum(seconds))} left" if seconds and len(seconds) == len(pending) else ""
        for node in batch.nodes:
            pending.pop(node, None)
        say(f"{done}/{total} done{left}, now: {batch}", "cyan")

    def reported(done: int, total: int) -> None:
        say(f"{done:,} of {total:,} artefacts that are on disk are in Dagster's database again", "cyan")

    tags = {"command": " ".join(["arc-pipeline", *sys.argv[1:]])[:200], "user": "command line"}
    outcomes = session.refresh(select, report, reported, tags=tags)
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
