"""`arc-pipeline bench ...`: measurements for a person, or one JSON document."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_pipeline.cli.console import Json, say, show, size

if TYPE_CHECKING:
    from pathlib import Path

    from arc_pipeline.arc.experiment import Experiment

bench = typer.Typer(name="bench", no_args_is_help=True, help="Measure what trainings and predictions cost here.")
MIXED = "arc-agi-1-training"


@bench.command()
def estimate(
    experiment: str,
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(help="Stop measuring after about this long.")] = 60.0,
) -> None:
    """What the whole training of an experiment will cost here in time, memory and disk, from a few real steps."""
    from arc_pipeline.bench.estimate import estimate as measure
    from arc_pipeline.bench.estimate import too_little
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets, read_experiments
    from arc_pipeline.machine.accelerator import accelerator

    described, catalogue = read_experiments().get(experiment), read_datasets()
    tasks = {name: catalogue.load(name) for field in ("train", "validation") for name in described.datasets()[field]}
    store = data_directory() / "store"
    if is_busy():
        say("warning: other programs keep the processor busy; the time holds only while they do", "bold yellow")
    with accelerator(store, say):
        found = measure(described, start_of(described), tasks, store, seconds)
    show(found, [{"training of": experiment, **in_words(found)}], as_json)
    for words in too_little(described, found):
        say(f"warning: {words}", "bold yellow")


@bench.command()
def training(as_json: Json = False) -> None:
    """The project's way of training against the plain one: one example a micro-batch, logits for every token."""
    from arc_pipeline.bench.training import compare
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets

    rows = compare(read_datasets().load("arc-agi-1-training"), say)
    show(rows, rounded(rows), as_json)


@bench.command()
def data(
    as_json: Json = False,
    experiment: Annotated[str, typer.Option(help="Whose examples.")] = "demo-fixed",
) -> None:
    """How fast examples are drawn, rendered and tokenized: against plain rendering, and the tiny model's training."""
    from arc_pipeline.bench.data import compare
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets, read_experiments

    # plain rendering supervises the answer alone; float32, as all benchmarks
    described = read_experiments().get(experiment).model_copy(update={"supervise": "answer", "precision": "fp32"})
    tasks = {name: read_datasets().load(name) for name in described.datasets()["train"]}
    rows = compare(described, tasks, say)
    show(rows, rounded(rows), as_json)


@bench.command()
def prediction(
    as_json: Json = False,
    experiment: Annotated[str, typer.Option(help="The trained model: an experiment's checkpoint.")] = "demo-fixed",
    predictions: Annotated[int, typer.Option(help="Candidates of each test pair.")] = 32,
    tasks: Annotated[int, typer.Option(help="Tasks of mixed sizes that the random model is asked.")] = 2,
    longest: Annotated[int, typer.Option(help="Tokens of the longest of them.")] = 1500,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 1,
) -> None:
    """The engine of predictions against generate, with each of its parts left out; and the votes."""
    from arc_pipeline.bench.prediction import compare_engines, random_case, trained_case
    from arc_pipeline.bench.voting import voting_row
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets, read_experiments

    described, catalogue = read_experiments().get(experiment), read_datasets()
    described = described.model_copy(
        update={"predict": described.predict.model_copy(update={"predictions": predictions})}
    )
    asked = {name: catalogue.load(name) for name in described.predict.datasets}
    if is_busy():
        say("warning: other programs keep the processor busy; only the ratios mean something", "bold yellow")
    cases = [trained_case(described, checkpoint_of(experiment), asked)]
    if tasks:
        cases.append(random_case(MIXED, catalogue.load(MIXED), tasks, longest, predictions))
    rows = [*compare_engines(cases, rounds, say), voting_row()]
    show(rows, rounded(rows), as_json)


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For a person: four digits."""
    return [{key: f"{row[key]:.4g}" if isinstance(row[key], float) else row[key] for key in row} for row in rows]


def checkpoint_of(experiment: str) -> "Path":
    """Its current checkpoint; MissingArtefact says what to make if there is none."""
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.errors import MissingArtefact
    from arc_pipeline.store.artefact import Artefact, Store

    store, artefact = Store(data_directory() / "store"), Artefact("checkpoint", experiment)
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
    from arc_pipeline.defs.data_dir import data_directory
    from arc_pipeline.defs.partitions import read_experiments
    from arc_pipeline.store.artefact import Artefact, Store

    if not experiment.initial_checkpoint:
        return experiment.model
    store, first = Store(data_directory() / "store"), Artefact("checkpoint", experiment.initial_checkpoint)
    if store.lineage(first):
        return str(store.current(first))
    return start_of(read_experiments().get(experiment.initial_checkpoint))


def how(found: dict[str, Any]) -> str:
    """Where an estimate's numbers come from."""
    if found["measured_steps"]:
        return f"{found['measured_steps']} steps measured"
    return f"not measured but counted, for its weights are not here: {found['operations']:.1e} operations"


def in_words(found: dict[str, Any]) -> dict[str, str]:
    """The estimate for a person."""
    from arc_pipeline.model.training.job import duration

    return {
        "time": f"{duration(found['seconds'])} ({found['steps']} x {found['seconds_per_step']:.3g} s)",
        "memory": f"{size(found['memory_bytes'])} of {size(found['memory_available_bytes'])}",
        "disk": f"{size(found['disk_bytes'])} of {size(found['disk_available_bytes'])}",
        "tokens/s": f"{found['tokens_per_second']:.0f}",
        "on": f"{found['device']}, {how(found)}",
    }
