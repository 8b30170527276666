"""The parts of an experiment file as assets: each stage depends on the fields that it reads, and on no others."""

import dagster as dg

from arc_pipeline.defs import declare
from arc_pipeline.defs.config_versions import CONFIG_FIELDS, config_version
from arc_pipeline.defs.partitions import Partitioning
from arc_pipeline.defs.workspace import Workspace


def _config(
    name: str, group: str, description: str, kind: str = "yaml", by: Partitioning = "experiment"
) -> declare.DeclaredAsset:
    @declare.asset(group, by, kinds={kind}, automation=None, entry=None, name=name, description=description)
    def config(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
        with workspace.making(context) as making:
            experiment = making.experiment
            if name == "initial_weights" and experiment.initial_checkpoint:
                making.read("checkpoint", experiment.initial_checkpoint)
            fields = CONFIG_FIELDS[name](experiment)
            metadata = {"fields": dg.MetadataValue.json(fields)}
            return making.save(config_version(name, experiment, making.project.store), metadata=metadata, config=fields)

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
curve_config = _config(
    "curve_config", "evaluation", "The steps of the training at which an experiment's metrics are measured as well."
)
scoring_config = _config(
    "scoring_config",
    "evaluation",
    "The fields of the experiment file that say under which views candidates are scored.",
    by="scored",
)
initial_weights = _config(
    "initial_weights",
    "training",
    "Where the training starts: `tiny`, a model's files, or the current checkpoint of another experiment.",
    kind="huggingface",
)
