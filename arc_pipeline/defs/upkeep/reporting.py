"""Tells Dagster's database of artefacts that are on disk: their work is not lost with the database."""

from collections.abc import Callable, Sequence

import dagster as dg
from dagster import DagsterInstance

from arc_pipeline.defs.staleness.scanner import DATA_VERSION_TAG, Node
from arc_pipeline.defs.transaction import one_transaction
from arc_pipeline.store.store import Store

CODE_VERSION_TAG = "dagster/code_version"
AT_ONCE = 250


def report_all(
    instance: DagsterInstance,
    store: Store,
    nodes: Sequence[Node],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Reports many, some hundreds in one transaction; `progress` is told how many of them are done."""
    for begin in range(0, len(nodes), AT_ONCE):
        with one_transaction(instance.event_log_storage):
            for node in nodes[begin : begin + AT_ONCE]:
                report_again(instance, store, node)
        progress(min(begin + AT_ONCE, len(nodes)), len(nodes))


def report_again(instance: DagsterInstance, store: Store, node: Node) -> None:
    """Reports one, as it was made last."""
    record = store.lineage(node.artefact)
    if record is not None:
        tags = {DATA_VERSION_TAG: record.data_version, CODE_VERSION_TAG: record.code_version}
        event = dg.AssetMaterialization(node.key, partition=node.partition_key, metadata=record.metadata, tags=tags)
        instance.report_runless_asset_event(event)
