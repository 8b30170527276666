"""The commands that follow artefacts through their versions: trace, diff, history, accept."""

import json
from typing import Annotated, Any

import typer

from arc_pipeline.cli.console import Json, print_table, say, wide_console
from arc_pipeline.cli.session import open_session
from arc_pipeline.errors import ArcPipelineError

lineage = typer.Typer()


@lineage.command()
def trace(
    experiment: str,
    decoding: str,
    dataset: Annotated[str, typer.Option(help="The dataset of the cell; its first one if not given.")] = "",
    metric: Annotated[str, typer.Option(help="The metric of the cell.")] = "vote_2",
    version: Annotated[str, typer.Option(help="An older version: the beginning of its data version.")] = "",
    as_json: Json = False,
) -> None:
    """The chain from a table cell down to the source bytes; works from the files alone."""
    from arc_pipeline.project import Project
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table
    from arc_pipeline.store.trace import chain_lines, lineage_chain

    store, artefact = Project.current().store, Artefact("metrics", f"{experiment}/{decoding}")
    entries = lineage_chain(store, artefact, version)
    rows = read_table(store.version(artefact, entries[0]["data_version"]) or store.current(artefact), "metrics")
    cell = _cell_of(rows.to_pylist(), dataset, metric)
    for warning in open_session().unrecorded(entries):
        say(f"warning: {warning}", "yellow")
    if as_json:
        print(json.dumps([{**cell, "experiment": experiment, "decoding": decoding}, *entries]))
    else:
        print(f"{experiment} {decoding} {cell['dataset']}: {metric} = {cell['value']:.4f}")
        print("\n".join(f"  {line}" for line in chain_lines(entries)))


def _cell_of(rows: list[dict[str, Any]], dataset: str, metric: str) -> dict[str, Any]:
    found = [row for row in rows if dataset in {"", row["dataset"]}]
    if not found or metric not in found[0]:
        raise ArcPipelineError(
            f"there is no {metric} of {dataset or 'any dataset'}; datasets: {[r['dataset'] for r in rows]}"
        )
    return {"dataset": found[0]["dataset"], "metric": metric, "value": found[0][metric]}


@lineage.command()
def diff(
    a: Annotated[str, typer.Argument(help="EXPERIMENT, or EXPERIMENT@VERSION with a version of its metrics.")],
    b: str,
    decoding: Annotated[str, typer.Option(help="The way of decoding to compare at.")] = "t0.0",
    metric: Annotated[str, typer.Option(help="The metric whose tasks are compared.")] = "vote_2",
    as_json: Json = False,
) -> None:
    """What differs between two experiments, or two versions of one: config, data, code, tasks won and lost."""
    from arc_pipeline.arc.evaluation.diff import Side, compare_experiments, difference_lines
    from arc_pipeline.project import Project

    store = Project.current().store
    difference = compare_experiments(store, Side.parse(a, decoding), Side.parse(b, decoding), metric)
    print(json.dumps(difference) if as_json else "\n".join(difference_lines(difference)))


@lineage.command()
def history(
    experiment: str, decoding: Annotated[str, typer.Option(help="The way of decoding.")] = "t0.0", as_json: Json = False
) -> None:
    """Every kept version of an experiment's metrics, oldest first: the table before and after a fix."""
    from arc_pipeline.project import Project
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table

    store, artefact = Project.current().store, Artefact("metrics", f"{experiment}/{decoding}")
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
        print_table(rows, wide_console())


@lineage.command()
def accept(
    asset: str,
    partition: Annotated[
        str, typer.Argument(help="As `stale` shows it: demo-fixed or demo-fixed/t0.0; or a pattern: 'demo-*', '*'.")
    ],
    reason: Annotated[str, typer.Option(help="Why the change of code does not matter; kept in the record.")],
) -> None:
    """Declare that a change of code leaves artefacts valid, so that they are not made again."""
    for record in open_session().accept(asset, partition, reason):
        say(f"accepted {record.artefact}: {record.accepted[-1]['changed']}")
