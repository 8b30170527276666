"""`arc-pipeline show`: tasks, answers, prompts and training examples, on a terminal or as a file for a paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arc_pipeline.cli.console import say, wide_console, writing
from arc_pipeline.cli.options import LOOK, Decoding, examples
from arc_pipeline.cli.session import (
    complete_experiment,
    known_decoding,
    open_datasets,
    open_experiment,
    saying_how_to_make,
)
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.arc.tasks.task import Task
    from arc_pipeline.report.grids.grid_layout import Board

pictures = typer.Typer()


@pictures.command(
    rich_help_panel=LOOK,
    epilog=examples(
        "arc-pipeline show 44f52bb0",
        "arc-pipeline show 44f52bb0 --experiment demo-fixed --decoding t1.0",
        "arc-pipeline show 44f52bb0 --experiment demo-fixed --prompt",
        "arc-pipeline show 44f52bb0 --output task.pdf",
    ),
)
def show(
    task_id: Annotated[str, typer.Argument(help="The id of an ARC task.")],
    dataset: Annotated[
        str, typer.Option(help="The dataset to look in.", show_default="the first one that has the task")
    ] = "",
    experiment: Annotated[
        str, typer.Option(help="Draw what this experiment answered.", autocompletion=complete_experiment)
    ] = "",
    decoding: Decoding = "t0.0",
    top: Annotated[int, typer.Option(min=0, help="How many of the most voted grids to draw.")] = 4,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print the prompt instead, token by token; underlined ones carry loss.")
    ] = False,
    augmented: Annotated[
        bool, typer.Option("--augmented", help="Draw training examples that were made of the task instead.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write FILE.png, FILE.svg or FILE.pdf instead, 8 cm wide.", metavar="FILE")
    ] = None,
) -> None:
    """Draw a task; with `--experiment` also the grids that its answers voted for, wrong cells marked.

    On the terminal, or as a picture for a paper.
    """
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


def task_board_of(task_id: str, dataset: str) -> "Board":
    """A task of any dataset."""
    from arc_pipeline.arc.tasks.catalogue import find_task
    from arc_pipeline.report.grids.gallery import task_board

    owner, task = find_task(open_datasets(), task_id, dataset)
    return task_board(task, owner)


def answers_board_of(experiment: str, decoding: str, task_id: str, dataset: str, top: int) -> "Board":
    """What an experiment answered to the test pairs of a task."""
    from arc_pipeline.arc.tasks.catalogue import task_among
    from arc_pipeline.report.grids.gallery import answers_board
    from arc_pipeline.report.load_answers import answers_of

    store, _ = open_experiment(experiment)
    with saying_how_to_make(experiment):
        pairs = answers_of(store, experiment, known_decoding(decoding))
    tasks: dict[str, list[Task]] = {}
    for pair in pairs:
        tasks.setdefault(pair.dataset, []).append(pair.task)
    owner, _ = task_among(tasks, task_id, dataset, f"the tasks that {experiment} is evaluated on")
    return answers_board([pair for pair in pairs if (pair.dataset, pair.task.task_id) == (owner, task_id)], top)


def augmented_board_of(experiment: str, task_id: str, dataset: str) -> "Board":
    """The examples of a task that an experiment is trained on."""
    from arc_pipeline.arc.tasks.catalogue import task_among
    from arc_pipeline.report.grids.augmented import augmented_board, on_a_page
    from arc_pipeline.report.load_answers import recipes_of, trained_tasks

    store, chosen = open_experiment(experiment)
    with saying_how_to_make(experiment):
        tasks = trained_tasks(store, chosen.datasets()["train"])
        owner, task = task_among(tasks, task_id, dataset, f"the tasks that {experiment} is trained on")
        rows = recipes_of(store, experiment, owner, task_id)
    return on_a_page(augmented_board(task, owner, rows, experiment))


def _show_prompt(experiment: str, task_id: str, dataset: str, output: Path | None, picture: str) -> None:
    """The prompt of the first candidate of the first test pair, as the file of the experiment says now."""
    from arc_pipeline.arc.tasks.catalogue import task_among
    from arc_pipeline.model.prediction.token_texts import first_prompt_texts
    from arc_pipeline.report.load_answers import evaluated_tasks
    from arc_pipeline.report.prompts import draw_prompt, print_prompt

    store, chosen = open_experiment(experiment)
    with saying_how_to_make(experiment):
        tasks = evaluated_tasks(store, experiment)
    owner, task = task_among(tasks, task_id, dataset, f"the tasks that {experiment} is evaluated on")
    pieces = first_prompt_texts(chosen, owner, task)
    title = f"task {task_id} of {owner}, test 0: {experiment}"
    if output:
        _write(output, draw_prompt(title, pieces, picture))
    else:
        print_prompt(title, pieces, wide_console())


def _show_board(board: "Board", output: Path | None, picture: str) -> None:
    from arc_pipeline.report.grids.drawing import draw_board
    from arc_pipeline.report.grids.terminal import print_board

    if output:
        _write(output, draw_board(board, picture))
    else:
        print_board(board, wide_console())


def _refuse_contradictions(experiment: str, prompt: bool, augmented: bool) -> None:
    if prompt and augmented:
        raise ArcPipelineError("--prompt and --augmented are two pictures; choose one of them")
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
    with writing("--output", output):
        output.write_bytes(content)
    say(f"wrote {output}")
