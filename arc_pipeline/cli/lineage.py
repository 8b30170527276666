"""The commands that follow artefacts through their versions: stale, trace, diff, history, accept, doctor."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from arc_pipeline.cli.console import print_finding, print_result, say
from arc_pipeline.cli.options import DECODING, TRACE, Decoding, ExperimentName, Json, Metric, Select, examples
from arc_pipeline.cli.session import complete_experiment, open_reader, open_session, open_store
from arc_pipeline.cli.statuses import print_statuses, say_what_is_alike, say_what_is_skipped
from arc_pipeline.errors import ArcPipelineError

lineage = typer.Typer()
SIDE = "EXPERIMENT, or EXPERIMENT@VERSION: the version of its metrics that begins so, as `history` lists them."


@lineage.command(rich_help_panel=TRACE, epilog=examples("arc-pipeline stale", "arc-pipeline stale --select demo-fixed"))
def stale(as_json: Json = False, select: Select = []) -> None:  # noqa: B006
    """List what is missing or stale, and why.

    An artefact is stale if something that it was made from has changed since: code, configuration, files, or an
    artefact upstream.
    """
    session = open_reader()
    print_statuses(planned := session.plan(select), as_json)
    say_what_is_skipped(session, select)
    say_what_is_alike(session, planned)


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

    store, artefact = open_store(), Artefact("metrics", f"{experiment}/{decoding}")
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
        raise ArcPipelineError(
            f"there is no {metric} of {dataset or 'any dataset'}; datasets: {[row['dataset'] for row in rows]}"
        )
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

    difference = compare_experiments(open_store(), Side.parse(a, decoding), Side.parse(b, decoding), metric)
    print(json.dumps(difference) if as_json else "\n".join(difference_lines(difference)))


@lineage.command(rich_help_panel=TRACE, epilog=examples("arc-pipeline history demo-fixed --decoding t1.0"))
def history(experiment: ExperimentName, decoding: Decoding = "t0.0", as_json: Json = False) -> None:
    """List all versions of an experiment's metrics that are kept, oldest first: before and after a fix."""
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table
    from arc_pipeline.store.trace import record_of

    store, artefact = open_store(), Artefact("metrics", f"{experiment}/{decoding}")
    current = record_of(store, artefact)
    rows = [
        {"version": record.data_version[:16], "record": record.short_id, "made": record.created_at}
        | {"current": record == current}
        | {name: row[name] for name in ("dataset", "accuracy", "correct_pixels", "vote_2")}
        for record in store.history(artefact)
        if store.is_kept(record)
        for row in read_table(store.open(record), "metrics").to_pylist()
    ]
    print_result(rows, rows, as_json)


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
    from arc_pipeline.project import Project

    findings = []
    for finding in examine(Patient(Project.current(), build_definitions, deep, fix)):
        findings.append(asdict(finding))
        if not as_json:
            print_finding(**findings[-1])
    if as_json:
        print(json.dumps(findings))
    if any(finding["status"] == "error" for finding in findings):
        raise typer.Exit(1)
