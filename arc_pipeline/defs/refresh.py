"""Redoes what is missing or stale and nothing else: real Dagster runs on the instance, upstream first."""

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from arc_pipeline.arc.artefact import Store
from arc_pipeline.defs.staleness import FAN_IN, FRESH, Node, Scanner, Status

QUIET = {"loggers": {"progress": {}}}
TAG = "arc_pipeline/refresh"


@dataclass
class Batch:
    """Nodes of one partition that one run makes together, in topological order."""

    partition_key: str | None
    nodes: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How the run of a batch ended: `made` nodes were materialized, `failed` says what went wrong."""

    batch: Batch
    run_id: str
    made: tuple[Node, ...]
    failed: str


def selected(scanner: Scanner, statuses: Sequence[Status], patterns: Sequence[str]) -> list[Status]:
    """The statuses that are not fresh and match a pattern (of the asset, the partition or a part of it), with the
    upstream that they need; tables over all experiments come along, but bring no experiment with them."""
    by_node = {status.node: status for status in statuses}
    wanted: set[Node] = set()

    def add(node: Node) -> None:
        if node not in wanted and by_node[node].status != FRESH:
            wanted.add(node)
            for parent in scanner.parents(node) if node.key not in FAN_IN else []:
                add(parent)

    for status in statuses:
        if not patterns or _matches(status.node, patterns):
            add(status.node)
    return [status for status in statuses if status.node in wanted or _follows(scanner, status, wanted)]


def _follows(scanner: Scanner, status: Status, wanted: set[Node]) -> bool:
    return status.node.key in FAN_IN and any(parent in wanted for parent in scanner.parents(status.node))


def _matches(node: Node, patterns: Sequence[str]) -> bool:
    names = [node.key, str(node.artefact), node.artefact.partition, *node.artefact.partition.split("/")]
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)


def batches(scanner: Scanner, statuses: Sequence[Status]) -> Iterator[Batch]:
    """Groups nodes of one partition whose upstream is in the group or done before it, so that one run makes them."""
    pending = [status.node for status in statuses]
    while pending:
        waiting = set(pending)
        batch = Batch(pending[0].partition_key)
        for node in pending:
            needed = [parent for parent in scanner.parents(node) if parent in waiting and parent not in batch.nodes]
            if node.partition_key == batch.partition_key and not needed and _same_kind(node, batch):
                batch.nodes.append(node)
        yield batch
        pending = [node for node in pending if node not in batch.nodes]


def _same_kind(node: Node, batch: Batch) -> bool:
    """A dataset and an experiment may have the same name."""
    return not batch.nodes or (node.key in {"arc_source", "tasks"}) == (batch.nodes[0].key in {"arc_source", "tasks"})


def run_batch(definitions: dg.Definitions, instance: DagsterInstance, store: Store, batch: Batch) -> Outcome:
    """One Dagster run in this process, recorded on the instance like any other."""
    before = {node: store.lineage(node.artefact) for node in batch.nodes}
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=batch.partition_key,
        asset_selection=[dg.AssetKey(node.key) for node in batch.nodes],
        raise_on_error=False,
        run_config=QUIET,
        tags={TAG: "true"},
    )
    made = tuple(node for node in batch.nodes if store.lineage(node.artefact) != before[node])
    return Outcome(batch, result.run_id, made, "" if result.success else _reason(result))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    words = [
        str((each.user_failure_data and each.user_failure_data.description) or _innermost(each.error))
        for each in failures
    ]
    return "\n".join(words) or "a blocking check failed"


def _innermost(error: Any) -> str:
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed without a message"


def refresh(
    definitions: dg.Definitions,
    instance: DagsterInstance,
    store: Store,
    scanner: Scanner,
    statuses: Sequence[Status],
    report: Callable[[int, int, Batch], None] = lambda number, total, batch: None,
) -> list[Outcome]:
    """Makes everything in `statuses`; what needs something that failed is left out."""
    planned, outcomes, lost = list(batches(scanner, statuses)), [], set()
    for number, batch in enumerate(planned, 1):
        batch.nodes = [node for node in batch.nodes if not lost & {*_upstream(scanner, node)} or node.key in FAN_IN]
        if batch.nodes:
            report(number, len(planned), batch)
            outcome = run_batch(definitions, instance, store, batch)
            outcomes.append(outcome)
            if outcome.failed:
                lost |= set(batch.nodes) - set(outcome.made)
    return outcomes


def _upstream(scanner: Scanner, node: Node) -> Iterator[Node]:
    for parent in scanner.parents(node):
        yield parent
        yield from _upstream(scanner, parent)
