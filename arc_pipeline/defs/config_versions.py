"""Which part of an experiment file each config asset stands for, and the version it has as the file says now."""

from collections.abc import Callable
from typing import Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.store.artefact import Artefact, hash_json
from arc_pipeline.store.store import Store


def augmentation_fields(experiment: Experiment) -> dict[str, Any]:
    """What the examples of an experiment depend on beside their tasks."""
    from arc_pipeline.model.weights.tokenization import tokenizer_version

    return experiment.augmentation_fields() | {"tokenizer": tokenizer_version(experiment.model)}


def initial_weights_fields(experiment: Experiment) -> dict[str, Any]:
    """What identifies the starting weights: a source's files, or the experiment whose checkpoint they are."""
    from arc_pipeline.model.weights.loading import initial_version

    if experiment.initial_checkpoint:
        return {"initial_checkpoint": experiment.initial_checkpoint}
    return {"model": experiment.model, "version": initial_version(experiment.model, experiment.seed)}


CONFIG_FIELDS: dict[str, Callable[[Experiment], dict[str, Any]]] = {
    "augmentation_config": augmentation_fields,
    "training_config": Experiment.training_fields,
    "prediction_config": Experiment.prediction_fields,
    "curve_config": Experiment.curve_fields,
    "scoring_config": Experiment.scoring_fields,
    "initial_weights": initial_weights_fields,
}


def config_version(asset: str, experiment: Experiment, store: Store) -> str:
    """The data version that a config asset would have now, also by the checkpoint that is there to start from."""
    start = experiment.initial_checkpoint if asset == "initial_weights" else None
    record = store.lineage(Artefact("checkpoint", start)) if start else None
    return hash_json([CONFIG_FIELDS[asset](experiment), record.data_version if record else ""])
