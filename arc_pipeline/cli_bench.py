"""`arc-pipeline bench ...`: measurements for a person, or one JSON document."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_pipeline.console import Json, say, show, size

if TYPE_CHECKING:
    from arc_pipeline.arc.experiment import Experiment

bench = typer.Typer(name="bench", no_args_is_help=True, help="Measure what trainings cost here.")


@bench.command()
def estimate(
    experiment: str,
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(help="Stop measuring after about this long.")] = 60.0,
) -> None:
    """What the whole training of an experiment will cost here in time, memory and disk, from a few real steps."""
    from arc_pipeline.bench.estimate import does_not_fit
    from arc_pipeline.bench.estimate import estimate as measure
    from arc_pipeline.defs.instance import prepare
    from arc_pipeline.defs.location import data_directory

    prepare()
    from arc_pipeline.defs.accelerator import accelerator
    from arc_pipeline.defs.partitions import read_datasets, read_experiments

    described, catalogue = read_experiments().get(experiment), read_datasets()
    tasks = {name: catalogue.load(name) for field in ("train", "validation") for name in described.datasets()[field]}
    store = data_directory() / "store"
    if is_busy():
        say("warning: other programs keep the processor busy; the time holds only while they do", "bold yellow")
    with accelerator(store, say):
        found = measure(described, start_of(described), tasks, store, seconds)
    show(found, [{"training of": experiment, **in_words(found)}], as_json)
    if found["memory_bytes"] > found["memory_available_bytes"]:
        say(f"warning: {does_not_fit(described, found['memory_available_bytes'] // found['processes'])}", "bold yellow")
    if found["disk_bytes"] > found["disk_available_bytes"]:
        say("warning: the disk has too little room for this training; free some (arc-pipeline prune)", "bold yellow")


@bench.command()
def training(as_json: Json = False) -> None:
    """The project's way of training against the plain one: one example a micro-batch, logits for every token."""
    from arc_pipeline.bench.training import compare
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.defs.partitions import read_datasets

    rows = compare(read_datasets().load("arc-agi-1-training"), say)
    rounded = [{key: f"{row[key]:.4g}" if isinstance(row[key], float) else row[key] for key in row} for row in rows]
    show(rows, rounded, as_json)


def is_busy() -> bool:
    """Whether more than half of the cores had work in the last minute."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def start_of(experiment: "Experiment") -> str:
    """The checkpoint that it starts from if that is there, else the model at the beginning of the chain."""
    from arc_pipeline.arc.artefact import Artefact, Store
    from arc_pipeline.defs.location import data_directory
    from arc_pipeline.defs.partitions import read_experiments

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
    from arc_pipeline.model.job import duration

    return {
        "time": f"{duration(found['seconds'])} ({found['steps']} x {found['seconds_per_step']:.3g} s)",
        "memory": f"{size(found['memory_bytes'])} of {size(found['memory_available_bytes'])}",
        "disk": f"{size(found['disk_bytes'])} of {size(found['disk_available_bytes'])}",
        "tokens/s": f"{found['tokens_per_second']:.0f}",
        "on": f"{found['device']}, {how(found)}",
    }
