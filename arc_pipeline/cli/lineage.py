"""The commands that follow artefacts through their versions: stale, trace, diff, history, accept, doctor."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.cli.console import day_and_time, print_finding, print_result, say
from arc_pipeline.cli.options import DECODING, TRACE, Decoding, ExperimentName, Json, Metric, Select, examples
from arc_pipeline.cli.session import (
    complete_experiment,
    known_decoding,
    known_experiment,
    open_reader,
    open_session,
    open_store,
    reading_project,
)
from arc_pipeline.cli.statuses import print_causes, print_statuses, say_faults, say_what_is_alike, say_what_is_skipped
from arc_pipeline.errors import ArcPipelineError, DamagedArtefact

if TYPE_CHECKING:
    from arc_pipeline.store.lineage import Lineage
    from arc_pipeline.store.store import Store

lineage = typer.Typer()
HISTORY_METRICS = ("accuracy", "correct_pixels", "vote_2")
SIDE = "EXPERIMENT, or EXPERIMENT@VERSION: the version of its metrics that begins so, as `history` lists them."


@lineage.command(
    rich_help_panel=TRACE,
    epilog=examples(
        "arc-pipeline stale",
        "arc-pipeline stale --select demo-fixed --each",
        "arc-pipeline stale --exit-code",
    ),
)
def stale(
    as_json: Json = False,
    select: Select = [],  # noqa: B006
    each: Annotated[bool, typer.Option("--each", help="One row for each artefact instead of each cause.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="For CI: end with exit code 1 if anything is missing or stale.")
    ] = False,
) -> None:
    """List what is missing or stale, and why.

    An artefact is stale if something that it was made from has changed since: code, configuration, files, or an
    artefact upstream. Datasets that no experiment uses are left out. The exit code is 1 if a file of an experiment or a
    dataset is faulty.
    """
    from arc_pipeline.defs.staleness.scanner import FRESH

    session = open_reader()
    faulty = say_faults(session)
    scanner, planned = session.look(select)
    # tables over all experiments are in a plan as they are made again after it
    found = [status for status in planned if status.status != FRESH]
    if as_json or each:
        print_statuses(found, as_json)
    else:
        # of a faulty file there is nothing to say but what is wrong with it, which was said
        print_causes(scanner, [status for status in found if status.node.experiment not in faulty])
    say_what_is_skipped(session, select)
    say_what_is_alike(session, planned)
    if faulty or (exit_code and found):
        raise typer.Exit(1)


@lineage.command(
    rich_help_panel=TRACE,
    epilog=examples("arc-pipeline trace demo-fixed t0.0", "arc-pipeline trace demo-fixed t1.0 --metric accuracy"),
)
def trace(
    experiment: ExperimentName,
    decoding: Annotated[str, typer.Argument(help=DECODING)],
    dataset: Annotated[str, typer.Option(help="The dataset of the number.", show_default="the first one")] = "",
    metric: Metric = "vote_2",
    version: Annotated[
        str, typer.Option(help="The beginning of a version of its metrics.", show_default="the current one")
    ] = "",
    as_json: Json = False,
) -> None:
    """Show what a number in a table was made from, step by step, down to the bytes of its sources.

    Reads the files in the store; warns where Dagster's database disagrees with them.
    """
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table
    from arc_pipeline.store.trace import chain_lines, lineage_chain, record_of

    known_experiment(experiment)
    store, artefact = open_store(), Artefact("metrics", f"{experiment}/{known_decoding(decoding)}")
    entries = lineage_chain(store, artefact, version)
    rows = read_table(store.open(record_of(store, artefact, version)), "metrics")
    cell = _cell_of(rows.to_pylist(), dataset, metric)
    for warning in open_reader().compare(entries):
        say(f"warning: {warning}", "yellow")
    if as_json:
        print(json.dumps([{**cell, "experiment": experiment, "decoding": decoding}, *entries]))
    else:
        print(f"{experiment} {decoding} {cell['dataset']}: {metric} = {cell['value']:.4f}")
        print("\n".join(f"  {line}" for line in chain_lines(entries)))


def _cell_of(rows: list[dict[str, Any]], dataset: str, metric: str) -> dict[str, Any]:
    matching = [row for row in rows if dataset in {"", row["dataset"]}]
    if not matching or metric not in matching[0]:
        datasets = [row["dataset"] for row in rows]
        if not matching:
            raise ArcPipelineError(f"it is not evaluated on {dataset!r}{did_you_mean_or_all(dataset, datasets)}")
        metrics = [name for name, value in rows[0].items() if isinstance(value, float)]
        raise ArcPipelineError(f"there is no metric {metric!r}{did_you_mean_or_all(metric, metrics)}")
    return {"dataset": matching[0]["dataset"], "metric": metric, "value": matching[0][metric]}


@lineage.command(
    rich_help_panel=TRACE,
    epilog=examples(
        "arc-pipeline diff demo-legacy-swap demo-fixed",
        "arc-pipeline diff mine@bbad73aae23b6ca5 mine --metric accuracy",
    ),
)
def diff(
    a: Annotated[str, typer.Argument(help=SIDE, autocompletion=complete_experiment)],
    b: Annotated[str, typer.Argument(help="What is compared with A, named in the same way.")],
    decoding: Decoding = "t0.0",
    metric: Metric = "vote_2",
    as_json: Json = False,
) -> None:
    """Compare two experiments, or two versions of one: configuration, data, code, tasks won and lost."""
    from arc_pipeline.arc.evaluation.diff import Side, compare_experiments, difference_lines

    sides = [Side.parse(side, known_decoding(decoding)) for side in (a, b)]
    for side in sides:
        known_experiment(side.artefact.partition.split("/")[0])
    difference = compare_experiments(open_store(), *sides, metric)
    print(json.dumps(difference) if as_json else "\n".join(difference_lines(difference)))


@lineage.command(rich_help_panel=TRACE, epilog=examples("arc-pipeline history demo-fixed --decoding t1.0"))
def history(experiment: ExperimentName, decoding: Decoding = "t0.0", as_json: Json = False) -> None:
    """List all versions of an experiment's metrics that are kept, oldest first: before and after a fix."""
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.trace import record_of

    known_experiment(experiment)
    store, artefact = open_store(), Artefact("metrics", f"{experiment}/{known_decoding(decoding)}")
    newest = store.record(artefact)
    records = store.history(artefact)
    if not records:
        record_of(store, artefact)  # says why there is none
    rows = [row for record in records for row in _version_rows(store, record, record == newest)]
    print_result(rows, _history_rows(rows), as_json)


def _version_rows(store: "Store", record: "Lineage", is_current: bool) -> list[dict[str, Any]]:
    """A row for each dataset of a version of metrics, or one that says why there are no numbers of it."""
    from arc_pipeline.store.tables import read_table

    version = {"version": record.data_version[:16], "record": record.short_id, "made": record.created_at}
    version |= {"current": is_current}
    nothing = dict.fromkeys(("dataset", *HISTORY_METRICS))
    if not store.is_kept(record):
        return [version | nothing | {"problem": "pruned: its files are not kept any more"}]
    try:
        rows = read_table(store.open(record), "metrics").to_pylist()
    except DamagedArtefact:
        return [version | nothing | {"problem": f"damaged: {store.problem_of(record)}"}]
    return [version | {name: row[name] for name in nothing} | {"problem": ""} for row in rows]


def _history_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a person; without the dataset where there is one."""
    many = len({row["dataset"] for row in rows if row["dataset"]}) > 1
    return [
        {"version": row["version"], "made": day_and_time(row["made"]) + (" (current)" if row["current"] else "")}
        | ({"dataset": row["problem"] or row["dataset"]} if many else {})
        | {name: "" if row[name] is None else f"{100 * row[name]:.2f}" for name in HISTORY_METRICS}
        | ({"": row["problem"]} if any(each["problem"] for each in rows) and not many else {})
        for row in rows
    ]


@lineage.command(
    rich_help_panel=TRACE,
    epilog=examples(
        "arc-pipeline accept checkpoint demo-fixed --reason 'only an error message changed'",
        "arc-pipeline accept checkpoint '*' --reason 'renamed a variable'",
    ),
)
def accept(
    asset: Annotated[str, typer.Argument(help="The asset, as `stale` names it: checkpoint, predictions, ...")],
    partition: Annotated[
        str, typer.Argument(help="As `stale` shows it: demo-fixed or demo-fixed/t0.0; or a pattern: `'demo-*'`, `'*'`.")
    ],
    reason: Annotated[str, typer.Option(help="Why the change does not matter; kept in the records.")],
) -> None:
    """Declare that a change of code leaves artefacts valid, so that they are not made again."""
    for record in open_session().accept(asset, partition, reason):
        say(f"accepted {record.artefact}: {record.accepted[-1]['changed']}")


@lineage.command(rich_help_panel=TRACE, epilog=examples("arc-pipeline doctor", "arc-pipeline doctor --deep --fix"))
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of every version that is kept.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired without losing anything.")] = False,
    as_json: Json = False,
) -> None:
    """Look for what is wrong: installation, settings, files, store, records, database, runs, GPU.

    Each finding comes with its remedy. The exit code is 1 if there are errors.
    """
    from arc_pipeline.definitions import build_definitions
    from arc_pipeline.defs.upkeep.doctor import Patient, examine

    findings = []
    for finding in examine(Patient(reading_project(), build_definitions, deep, fix)):
        findings.append(asdict(finding))
        if not as_json:
            print_finding(**findings[-1])
    if as_json:
        print(json.dumps(findings))
    if any(finding["status"] == "error" for finding in findings):
        raise typer.Exit(1)
