"""The parts of an experiment file as assets: each stage depends on the fields that it reads, and on no others."""

from typing import Any

import dagster as dg

from arc_pipeline.arc.artefact import hash_json
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.defs.partitions import experiment_partitions, read_experiments
from arc_pipeline.defs.workspace import Making, Workspace


def augmentation_fields(experiment: Experiment) -> dict[str, Any]:
    """What the examples of an experiment depend on beside their tasks."""
    from arc_pipeline.model.tokenization import tokenizer_version

    return experiment.augmentation_fields() | {"tokenizer": tokenizer_version(experiment.model)}


def initial_weights_fields(experiment: Experiment, making: Making | None = None) -> dict[str, Any]:
    """What identifies the starting weights: their source's files, or another experiment's checkpoint."""
    from arc_pipeline.model.loading import initial_version

    if start := experiment.initial_checkpoint:
        version = making.lineage("checkpoint", start).data_version if making else ""
        return {"initial_checkpoint": start, "version": version}
    return {"model": experiment.model, "version": initial_version(experiment.model, experiment.seed)}


CONFIG_FIELDS = {
    "augmentation_config": augmentation_fields,
    "training_config": Experiment.training_fields,
    "prediction_config": Experiment.prediction_fields,
}


def config_version(asset: str, experiment: str) -> str:
    """The data version that a config asset would have now."""
    return hash_json(CONFIG_FIELDS[asset](read_experiments().get(experiment)))


def _save(making: Making, fields: dict[str, Any]) -> dg.MaterializeResult[None]:
    return making.save(hash_json(fields), metadata={"fields": dg.MetadataValue.json(fields)}, config=fields)


def _config(name: str, group: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        partitions_def=experiment_partitions,
        group_name=group,
        kinds={"yaml"},
        code_version="1",
        description=description,
    )
    def config(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
        with workspace.making(context) as making:
            return _save(making, CONFIG_FIELDS[name](making.experiment))

    return config


augmentation_config = _config(
    "augmentation_config", "augmentation", "The fields of the experiment file that its training examples depend on."
)
training_config = _config(
    "training_config", "training", "The fields of the experiment file that its training depends on beside the examples."
)
prediction_config = _config(
    "prediction_config", "prediction", "The fields of the experiment file that its predictions depend on."
)


@dg.asset(partitions_def=experiment_partitions, group_name="training", kinds={"huggingface"}, code_version="1")
def initial_weights(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """Where the training starts: `tiny`, a model's files, or the current checkpoint of another experiment."""
    with workspace.making(context) as making:
        if start := making.experiment.initial_checkpoint:
            making.read("checkpoint", start)
        return _save(making, initial_weights_fields(making.experiment, making))
