"""`arc-pipeline failures`: why test pairs failed, as a table, one JSON document, or a directory of pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arc_pipeline.cli.console import Json, print_table, say, wide_console, writing
from arc_pipeline.cli.session import known_decoding, open_store, saying_how_to_make

if TYPE_CHECKING:
    from arc_pipeline.store.artefact import Store

failing = typer.Typer()


@failing.command()
def failures(
    experiment: str,
    decoding: Annotated[str, typer.Option(help="Only this way of decoding.")] = "",
    sort: Annotated[str, typer.Option(help="A column; the nearest to solved first if not given.")] = "",
    reverse: Annotated[bool, typer.Option("--reverse", help="The last first.")] = False,
    solved: Annotated[bool, typer.Option("--all", help="Solved test pairs too.")] = False,
    gallery: Annotated[Path | None, typer.Option(help="Draw them into this directory, a PNG for each.")] = None,
    as_json: Json = False,
) -> None:
    """Why test pairs failed: wrong size, wrong pixels and how many, undecodable, found but outvoted."""
    import pyarrow.compute as pc

    from arc_pipeline.arc.evaluation.failures import sorted_failures
    from arc_pipeline.store.artefact import Artefact
    from arc_pipeline.store.tables import read_table

    store, _ = open_store(experiment)
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
        print_table(rows, wide_console())
    else:
        say("nothing failed")


def draw_gallery(store: "Store", experiment: str, rows: list[dict[str, object]], directory: Path) -> None:
    """Writes `DECODING-TASK-TEST.png` for each row."""
    from arc_pipeline.report.grids.drawing import draw_board
    from arc_pipeline.report.grids.gallery import answers_board
    from arc_pipeline.report.load_answers import answers_of

    wanted = {(row["decoding"], row["dataset"], row["task_id"], row["test_index"]) for row in rows}
    with writing("--gallery", directory):
        directory.mkdir(parents=True, exist_ok=True)
        for decoding in sorted({str(row["decoding"]) for row in rows}):
            for pair in answers_of(store, experiment, decoding):
                if (decoding, pair.dataset, pair.task.task_id, pair.test_index) in wanted:
                    file = directory / f"{decoding}-{pair.task.task_id}-{pair.test_index}.png"
                    file.write_bytes(draw_board(answers_board([pair])))
    say(f"wrote {len(wanted)} pictures to {directory}")
