"""The commands that measure: `score`, and `bench ...`, what trainings and predictions cost on this machine."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal

from arc_pipeline.cli.console import print_result, say
from arc_pipeline.cli.options import EXPERIMENT, MEASURE, ExperimentName, Json, examples
from arc_pipeline.cli.session import (
    complete_experiment,
    open_datasets,
    open_experiment,
    open_experiments,
    open_store,
)

if TYPE_CHECKING:
    from arc_pipeline.arc.experiment import Experiment

measuring = typer.Typer()
bench = typer.Typer(
    name="bench",
    no_args_is_help=True,
    help="Measure what trainings and predictions cost on this machine.",
    epilog=examples("arc-pipeline bench estimate demo-fixed"),
)
MIXED_SIZES = "arc-agi-1-training"
BUSY = "warning: other programs keep the processor busy"


@measuring.command(
    rich_help_panel=MEASURE, epilog=examples("arc-pipeline score submission.json arc-agi-1-evaluation --json")
)
def score(
    submission: Annotated[Path, typer.Argument(help="A JSON file in Kaggle's format of the ARC Prize.")],
    dataset: Annotated[
        str, typer.Argument(help="A dataset of data/datasets.yaml, the name of one in data/raw/, or a file of tasks.")
    ],
    as_json: Json = False,
) -> None:
    """Score a submission against a dataset with solutions, whoever made it."""
    from arc_pipeline.api import read_dataset
    from arc_pipeline.api import score as score_of
    from arc_pipeline.arc.evaluation.score import read_submission, score_lines

    tasks = read_dataset(dataset) if Path(dataset).is_file() else open_datasets().load(dataset)
    scores = score_of(read_submission(submission), tasks, str(submission))
    print(json.dumps(scores) if as_json else "\n".join(score_lines(scores)))


@bench.command(epilog=examples("arc-pipeline bench estimate demo-fixed", "arc-pipeline bench estimate mine --json"))
def estimate(
    experiment: ExperimentName,
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(help="Stop measuring after about this many seconds.")] = 60.0,
) -> None:
    """Estimate what the training of an experiment will take in time, memory and disk, from a few real steps.

    Where the weights of the model are not on this machine, the cost is counted from its shape instead.
    """
    from arc_pipeline.bench.estimate import estimate_training, shortages
    from arc_pipeline.machine.accelerator import accelerator

    store, chosen = open_experiment(experiment)
    catalogue = open_datasets()
    tasks = {name: catalogue.load(name) for field in ("train", "validation") for name in chosen.datasets()[field]}
    if is_busy():
        say(f"{BUSY}; the time holds only while they do", "bold yellow")
    with accelerator(store.root, say):
        measured = estimate_training(chosen, start_of(chosen), tasks, store.root, seconds)
    print_result(measured, [{"training of": experiment, **estimate_row(measured)}], as_json)
    for words in shortages(chosen, measured):
        say(f"warning: {words}", "bold yellow")


@bench.command(epilog=examples("arc-pipeline bench training"))
def training(as_json: Json = False) -> None:
    """Compare this project's training with the plain one: one example a micro-batch, logits for every token."""
    from arc_pipeline.bench.training import compare_steps

    rows = compare_steps(open_datasets().load(MIXED_SIZES), say)
    print_result(rows, rounded(rows), as_json)


@bench.command(epilog=examples("arc-pipeline bench data", "arc-pipeline bench data --experiment smollm2-lora"))
def data(
    as_json: Json = False,
    experiment: Annotated[
        str, typer.Option(help="The experiment whose examples are measured.", autocompletion=complete_experiment)
    ] = "demo-fixed",
) -> None:
    """Measure how fast training examples are drawn, rendered and tokenized.

    Compares with plain rendering, and with how fast the tiny model is trained on them.
    """
    from arc_pipeline.bench.data import compare_drawing, compare_reading, compare_rendering

    # plain rendering supervises the answer alone; float32, as all benchmarks
    plain = {"supervise": "answer", "precision": "fp32"}
    chosen = open_experiments().get(experiment).model_copy(update=plain)
    catalogue = open_datasets()
    tasks = {name: catalogue.load(name) for name in chosen.datasets()["train"]}
    rows = [*compare_rendering(chosen, tasks, say), *compare_drawing(chosen, tasks, say)]
    rows += compare_reading(lambda: catalogue.load(MIXED_SIZES), say)
    print_result(rows, rounded(rows), as_json)


@bench.command(epilog=examples("arc-pipeline bench prediction", "arc-pipeline bench prediction --tasks 0 --rounds 3"))
def prediction(
    as_json: Json = False,
    experiment: Annotated[
        str, typer.Option(help=f"{EXPERIMENT} Its checkpoint is measured.", autocompletion=complete_experiment)
    ] = "demo-fixed",
    predictions: Annotated[int, typer.Option(help="Candidates for each test pair.")] = 32,
    tasks: Annotated[int, typer.Option(help="Tasks for a larger model with random weights; 0 leaves it out.")] = 2,
    longest: Annotated[int, typer.Option(help="Tokens of the longest of these tasks.")] = 1500,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 1,
) -> None:
    """Compare this project's generation of answers with that of transformers, part by part, and time the votes."""
    from arc_pipeline.bench.prediction import compare_engines, random_case, trained_case
    from arc_pipeline.bench.voting import voting_row

    chosen, catalogue = open_experiments().get(experiment), open_datasets()
    chosen = chosen.model_copy(update={"predict": chosen.predict.model_copy(update={"predictions": predictions})})
    evaluated = {name: catalogue.load(name) for name in chosen.predict.datasets}
    if is_busy():
        say(f"{BUSY}; only the ratios mean something", "bold yellow")
    cases = [trained_case(chosen, checkpoint_of(experiment), evaluated)]
    if tasks:
        cases.append(random_case(MIXED_SIZES, catalogue.load(MIXED_SIZES), tasks, longest, predictions))
    rows = [*compare_engines(cases, rounds, say), voting_row()]
    print_result(rows, rounded(rows), as_json)


measuring.add_typer(bench, rich_help_panel=MEASURE)


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For a person: four digits."""
    return [{key: f"{row[key]:.4g}" if isinstance(row[key], float) else row[key] for key in row} for row in rows]


def checkpoint_of(experiment: str) -> Path:
    """Its current checkpoint; MissingArtefact says what to make if there is none."""
    from arc_pipeline.errors import MissingArtefact
    from arc_pipeline.store.artefact import Artefact

    store, artefact = open_store(), Artefact("checkpoint", experiment)
    if not store.lineage(artefact):
        raise MissingArtefact(
            f"{experiment} has no checkpoint; make it (arc-pipeline refresh --select {experiment}) or name another "
            "experiment: --experiment NAME"
        )
    return store.current(artefact)


def is_busy() -> bool:
    """Whether more than half of the cores had work in the last minute."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def start_of(experiment: "Experiment") -> str:
    """The checkpoint that it starts from if that is there, else the model at the beginning of the chain."""
    from arc_pipeline.store.artefact import Artefact

    if not experiment.initial_checkpoint:
        return experiment.model
    store, first = open_store(), Artefact("checkpoint", experiment.initial_checkpoint)
    if store.lineage(first):
        return str(store.current(first))
    return start_of(open_experiments().get(experiment.initial_checkpoint))


def basis_of(measured: dict[str, Any]) -> str:
    """Where an estimate's numbers come from."""
    if measured["measured_steps"]:
        return f"{measured['measured_steps']} steps measured"
    return f"not measured but counted, since its weights are not here: {measured['operations']:.1e} operations"


def estimate_row(measured: dict[str, Any]) -> dict[str, str]:
    """The estimate for a person."""
    from arc_pipeline.machine.durations import readable_duration

    time = readable_duration(measured["seconds"])
    sizes = {name: decimal(round(value)) for name, value in measured.items() if name.endswith("_bytes")}
    return {
        "time": f"{time} ({measured['steps']} x {measured['seconds_per_step']:.3g} s)",
        "memory": f"{sizes['memory_bytes']} of {sizes['memory_available_bytes']}",
        "disk": f"{sizes['disk_bytes']} of {sizes['disk_available_bytes']}",
        "tokens/s": f"{measured['tokens_per_second']:.0f}",
        "on": f"{measured['device']}, {basis_of(measured)}",
    }
