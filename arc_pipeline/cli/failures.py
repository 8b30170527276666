"""`arc-pipeline failures`: why test pairs failed, as a table, one JSON document, or a directory of pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_pipeline.cli.console import print_table, say, wide_console, writing
from arc_pipeline.cli.options import LOOK, ExperimentName, Json, examples
from arc_pipeline.cli.session import known_decoding, open_experiment, saying_how_to_make

if TYPE_CHECKING:
    import pyarrow as pa

    from arc_pipeline.store.store import Store

failing = typer.Typer()
# columns of scored candidates
SCORED = {"by score": "score_rank_of_truth", "top score": "top_score", "score of right": "score_of_truth"}
NUMBERS = ("wrong cells", "top votes", "rank of right", "decoded", *SCORED)


@failing.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "arc-pipeline failures demo-legacy-swap", "arc-pipeline failures demo-fixed --all --gallery pictures"
    ),
)
def failures(
    experiment: ExperimentName,
    decoding: Annotated[str, typer.Option(help="Only this decoding, such as t0.0.", show_default="all")] = "",
    sort: Annotated[str, typer.Option(help="A column to sort by.", show_default="the nearest to solved first")] = "",
    reverse: Annotated[bool, typer.Option("--reverse", help="Reverse the order.")] = False,
    solved: Annotated[bool, typer.Option("--all", help="Solved test pairs too.")] = False,
    gallery: Annotated[
        Path | None, typer.Option(help="Also draw them into this directory, a PNG for each.", metavar="DIRECTORY")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the test pairs that an experiment failed, and why.

    The answers had the wrong size, or wrong pixels and how many, could not be decoded, or the right one was outvoted.
    """
    import pyarrow.compute as pc

    from arc_pipeline.arc.evaluation.failures import sorted_failures
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table

    store, _ = open_experiment(experiment)
    with saying_how_to_make(experiment):
        table = read_table(store.current(Artefact("failures", experiment)), "failures")
    if not solved:
        table = table.filter(pc.field("reason") != "solved")
    if decoding:
        table = table.filter(pc.field("decoding") == known_decoding(decoding))
    rows = sorted_failures(table, sort, reverse).to_pylist()
    if gallery:
        draw_gallery(store, experiment, rows, gallery)
    if as_json:
        print(json.dumps(rows))
    elif rows:
        print_table(failure_rows(rows), wide_console(), right=NUMBERS)
        say_losses(table)
    else:
        say("nothing failed")


def failure_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For a person: without the dataset where there is one, and with the reasons in words."""
    datasets = {row["dataset"] for row in rows}
    is_scored = any(row.get("top_score") is not None for row in rows)
    return [
        ({"dataset": row["dataset"]} if len(datasets) > 1 else {})
        | {"decoding": row["decoding"], "task": row["task_id"], "test": row["test_index"]}
        | {"reason": row["reason"].replace("_", " "), "wrong cells": row["wrong_cells"]}
        | {"top votes": row["votes_of_top"], "rank of right": row["rank_of_truth"], "decoded": row["n_decoded"]}
        | ({title: _rounded(row[name]) for title, name in SCORED.items()} if is_scored else {})
        for row in rows
    ]


def _rounded(value: float | None) -> float | None:
    return round(value, 1) if value is not None else None


def say_losses(table: "pa.Table") -> None:
    """Whether the model or the choice among its candidates is to blame, for all decodings that are shown."""
    from arc_pipeline.arc.evaluation.failures import loss_counts

    counts = loss_counts(table)
    not_found, not_chosen = f"not found: {counts['not_found']}", f"found but not chosen: {counts['not_chosen']}"
    if "score_of_truth" in table.column_names and table["score_of_truth"].null_count < table.num_rows:
        not_found += f" ({counts['not_found_but_likelier']} though likelier to the model than its best candidate)"
        not_chosen += f" ({counts['chosen_by_score']} chosen by score, {counts['chosen_by_both']} by both)"
    say(f"{not_found}; {not_chosen}")


def draw_gallery(store: "Store", experiment: str, rows: list[dict[str, object]], directory: Path) -> None:
    """Writes `DECODING-TASK-TEST.png` for each row."""
    from arc_pipeline.arc.names import file_name
    from arc_pipeline.report.grids.drawing import draw_board
    from arc_pipeline.report.grids.gallery import answers_board
    from arc_pipeline.report.load_answers import answers_of

    wanted = {(row["decoding"], row["dataset"], row["task_id"], row["test_index"]) for row in rows}
    with writing("--gallery", directory):
        directory.mkdir(parents=True, exist_ok=True)
        for decoding in sorted({str(row["decoding"]) for row in rows}):
            for pair in answers_of(store, experiment, decoding):
                if (decoding, pair.dataset, pair.task.task_id, pair.test_index) in wanted:
                    file = directory / f"{decoding}-{file_name(pair.task.task_id)}-{pair.test_index}.png"
                    file.write_bytes(draw_board(answers_board([pair])))
    say(f"wrote {len(wanted)} pictures to {directory}")
