"""The commands that show grids, prompts and examples: show, failures. On a terminal, or as a file for a paper."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arc_pipeline.arc.errors import ArcPipelineError, MissingArtefact
from arc_pipeline.console import Json, print_table, say, wide_console

if TYPE_CHECKING:
    from arc_pipeline.arc.artefact import Store
    from arc_pipeline.arc.experiment import Experiment
    from arc_pipeline.arc.task import Task
    from arc_pipeline.report.board import Board

pictures = typer.Typer()
Decoding = Annotated[str, typer.Option(help="The way of decoding.")]


@pictures.command()
def show(
    task_id: str,
    dataset: Annotated[str, typer.Option(help="The dataset that has it; the first one that does if not given.")] = "",
    experiment: Annotated[str, typer.Option(help="Show what this experiment answered.")] = "",
    decoding: Decoding = "t0.0",
    top: Annotated[int, typer.Option(min=0, help="How many of the voted grids.")] = 4,
    prompt: Annotated[bool, typer.Option("--prompt", help="Its prompt, token by token.")] = False,
    augmented: Annotated[bool, typer.Option("--augmented", help="The examples that it was trained on.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write FILE.png, .svg or .pdf instead, 8 cm wide.")] = None,
) -> None:
    """Draw a task; with an experiment, the grids that its answers voted for, its prompt or its training examples."""
    _refuse_contradictions(experiment, prompt, augmented)
    picture = _format_of(output)
    if prompt:
        _show_prompt(experiment, task_id, dataset, output, picture)
        return
    if augmented:
        board = augmented_board_of(experiment, task_id, dataset)
    elif experiment:
        board = answers_board_of(experiment, decoding, task_id, dataset, top)
    else:
        board = task_board_of(task_id, dataset)
    _show_board(board, output, picture)


@pictures.command()
def failures(
    experiment: str,
    decoding: Annotated[str, typer.Option(help="Only this way of decoding.")] = "",
    sort: Annotated[str, typer.Option(help="A column; the nearest to solved first if not given.")] = "",
    reverse: Annotated[bool, typer.Option("--reverse", help="The last first.")] = False,
    solved: Annotated[bool, typer.Option("--all", help="Solved test pairs too.")] = False,
    as_json: Json = False,
) -> None:
    """Why test pairs failed: wrong size, wrong pixels and how many, undecodable, found but outvoted."""
    from arc_pipeline.arc.artefact import Artefact, read_table
    from arc_pipeline.arc.failures import sorted_rows

    store = _store_of(experiment)
    with _saying_how_to_make(experiment):
        rows = read_table(store.current(Artefact("failures", experiment)), "failures").to_pylist()
    rows = [row for row in rows if solved or row["reason"] != "solved"]
    if decoding:
        rows = [row for row in rows if row["decoding"] == _known_decoding(decoding)]
    rows = sorted_rows(rows, sort, reverse)
    if as_json:
        print(json.dumps(rows))
    elif rows:
        print_table(rows, wide_console())
    else:
        say("nothing failed")


def task_board_of(task_id: str, dataset: str) -> "Board":
    """A task of any dataset."""
    from arc_pipeline.arc.lookup import find_task
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets
    from arc_pipeline.report.gallery import task_board

    found, task = find_task(read_datasets(), task_id, dataset)
    return task_board(task, found)


def answers_board_of(experiment: str, decoding: str, task_id: str, dataset: str, top: int) -> "Board":
    """What an experiment answered to the test pairs of a task."""
    from arc_pipeline.report.evidence import answers_of
    from arc_pipeline.report.gallery import answers_board

    store = _store_of(experiment)
    with _saying_how_to_make(experiment):
        pairs = answers_of(store, experiment, _known_decoding(decoding))
    asked: dict[str, list[Task]] = {}
    for pair in pairs:
        asked.setdefault(pair.dataset, []).append(pair.task)
    found, _ = _task_among(asked, task_id, dataset, f"the tasks that {experiment} is asked")
    return answers_board([each for each in pairs if (each.dataset, each.task.task_id) == (found, task_id)], top)


def augmented_board_of(experiment: str, task_id: str, dataset: str) -> "Board":
    """The examples of a task that an experiment is trained on."""
    from arc_pipeline.report.augmented import augmented_board
    from arc_pipeline.report.evidence import recipes_of, trained_tasks

    store, datasets = _store_of(experiment), _described(experiment).datasets()["train"]
    with _saying_how_to_make(experiment):
        tasks = trained_tasks(store, datasets)
        found, task = _task_among(tasks, task_id, dataset, f"the tasks that {experiment} is trained on")
        rows = recipes_of(store, experiment, found, task_id)
    return augmented_board(task, found, rows, experiment)


def _show_prompt(experiment: str, task_id: str, dataset: str, output: Path | None, picture: str) -> None:
    """The prompt of the first candidate of the first test pair, as the file of the experiment says now."""
    from arc_pipeline.model.pieces import asked_pieces
    from arc_pipeline.report.evidence import asked_tasks
    from arc_pipeline.report.prompts import draw_prompt, print_prompt

    store, described = _store_of(experiment), _described(experiment)
    with _saying_how_to_make(experiment):
        tasks = asked_tasks(store, experiment)
    found, task = _task_among(tasks, task_id, dataset, f"the tasks that {experiment} is asked")
    pieces = asked_pieces(described, found, task)
    title = f"task {task_id} of {found}, test 0: {experiment}"
    if output:
        _write(output, draw_prompt(title, pieces, picture))
    else:
        print_prompt(title, pieces, wide_console())


def _show_board(board: "Board", output: Path | None, picture: str) -> None:
    from arc_pipeline.report.drawing import draw_board
    from arc_pipeline.report.terminal import print_board

    if output:
        _write(output, draw_board(board, picture))
    else:
        print_board(board, wide_console())


def _refuse_contradictions(experiment: str, prompt: bool, augmented: bool) -> None:
    if prompt and augmented:
        raise ArcPipelineError("--prompt and --augmented are two pictures; ask for one of them")
    if (prompt or augmented) and not experiment:
        raise ArcPipelineError("--prompt and --augmented belong to an experiment; name one with --experiment")


def _format_of(output: Path | None) -> str:
    """The format of the file to be written; an error before any work if it cannot be."""
    from arc_pipeline.report.paper import FORMATS

    if output is None:
        return FORMATS[0]
    if output.suffix.lower().removeprefix(".") not in FORMATS:
        raise ArcPipelineError(f"--output {output}: the file must end in one of {', '.join(f'.{x}' for x in FORMATS)}")
    if not output.absolute().parent.is_dir():
        raise ArcPipelineError(f"--output {output}: there is no directory {output.absolute().parent}")
    return output.suffix.lower().removeprefix(".")


def _write(output: Path, content: bytes) -> None:
    try:
        output.write_bytes(content)
    except OSError as error:
        raise ArcPipelineError(f"--output {output}: {error.strerror}") from error
    say(f"wrote {output}")


def _store_of(experiment: str) -> "Store":
    """The store, once the project is prepared and the experiment is known to be there."""
    from arc_pipeline.arc.artefact import Store
    from arc_pipeline.defs.instance import prepare
    from arc_pipeline.defs.location import data_directory

    prepare()
    _described(experiment)
    return Store(data_directory() / "store")


def _described(experiment: str) -> "Experiment":
    from arc_pipeline.defs.partitions import read_experiments

    return read_experiments().get(experiment)


def _known_decoding(decoding: str) -> str:
    from arc_pipeline.arc.names import did_you_mean_or_all
    from arc_pipeline.arc.prediction import DECODINGS

    if decoding not in DECODINGS:
        raise ArcPipelineError(f"there is no decoding {decoding!r}{did_you_mean_or_all(decoding, DECODINGS)}")
    return decoding


@contextmanager
def _saying_how_to_make(experiment: str) -> Iterator[None]:
    try:
        yield
    except MissingArtefact as error:
        raise MissingArtefact(f"{error}: arc-pipeline refresh --select {experiment}") from error


def _task_among(tasks: "dict[str, list[Task]]", task_id: str, dataset: str, what: str) -> "tuple[str, Task]":
    """(dataset, task) among those of an experiment."""
    from arc_pipeline.arc.lookup import like
    from arc_pipeline.arc.names import did_you_mean_or_all

    if dataset and dataset not in tasks:
        raise ArcPipelineError(f"{dataset!r} has none of {what}{did_you_mean_or_all(dataset, tasks)}")
    chosen = {dataset: tasks[dataset]} if dataset else tasks
    for name, each in chosen.items():
        for task in each:
            if task.task_id == task_id:
                return name, task
    known = [task.task_id for each in chosen.values() for task in each]
    raise ArcPipelineError(f"task {task_id!r} is not among {what}, of {', '.join(chosen)}{like(task_id, known)}")
