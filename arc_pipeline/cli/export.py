"""The command that hands a model to other programs: export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arc_pipeline.cli.console import say, writing
from arc_pipeline.cli.options import MAKE, ExperimentName, examples
from arc_pipeline.cli.session import known_experiment, open_reader, saying_how_to_make
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact

if TYPE_CHECKING:
    from arc_pipeline.arc.experiment import Experiment
    from arc_pipeline.store.lineage import Lineage
    from arc_pipeline.store.store import Store

exporting = typer.Typer()


@exporting.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline export demo-fixed demo-model",
        "arc-pipeline export mine mine-bf16 --dtype bfloat16 --license apache-2.0",
        "arc-pipeline export mine mine-adapter --adapter",
    ),
)
def export(
    experiment: ExperimentName,
    directory: Annotated[Path, typer.Argument(help="A new directory.")],
    adapter: Annotated[
        bool, typer.Option("--adapter", help="The adapter alone, with its base named, not merged weights.")
    ] = False,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="The type of the weights.")
    ] = "float32",
    licence: Annotated[
        str, typer.Option("--license", help="The licence that the model card names, as model hubs call it.")
    ] = "unknown",
) -> None:
    """Write a trained model to a directory that other programs load without this package.

    Plain transformers (5 and 4.57), peft and vLLM read it: weights, configuration with the end token that was trained,
    tokenizer, chat template, and a model card with metrics, lineage and how to prompt it.
    """
    from arc_pipeline.arc.experiment import Experiment
    from arc_pipeline.model.weights.exporting import Export, export_adapter, export_model
    from arc_pipeline.report.model_card import Handed, model_card

    known_experiment(experiment)
    session, trained = open_reader(), Artefact("checkpoint", experiment)
    with saying_how_to_make(experiment):
        content, record = session.store.current(trained), session.store.required(trained)
    # as it was trained, not as the file says now
    settings = Experiment.model_validate(record.config | {"name": experiment})
    [stale] = session.reasons([f"{trained}@{record.data_version}"]).values()
    for reason in stale:
        say(f"warning: the checkpoint is stale: {reason}", "yellow")

    def card(written: Export) -> str:
        handed = Handed(written.end, written.end_id, adapter, written.problems, licence, stale)
        return model_card(session.store, settings, handed)

    with writing("DIRECTORY", directory):
        if adapter:
            written = export_adapter(content, directory, settings, card, start_of(session.store, settings, record))
        else:
            written = export_model(content, directory, settings, card, dtype)
    for problem in written.problems:
        say(f"warning: {problem}", "bold yellow")
    say(f"wrote {directory}: {'the adapter' if adapter else f'weights in {dtype}'}, tokenizer and model card")


def start_of(store: "Store", settings: "Experiment", record: "Lineage") -> str:
    """What the training began with: a model, or the directory of the checkpoint that it was at that time."""
    if not settings.initial_checkpoint:
        return settings.model
    began = Artefact("checkpoint", settings.initial_checkpoint)
    if (upstream := store.upstream(record)[began]) is None:
        raise ArcPipelineError(f"the record of {began} is lost, from which it was trained; export it without --adapter")
    return str(store.open(upstream))
