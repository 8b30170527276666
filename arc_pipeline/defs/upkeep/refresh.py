"""Redoes what is missing or stale and nothing else: real Dagster runs on the instance, upstream first."""

import fnmatch
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.defs.policy import DECODINGS_TAG
from arc_pipeline.defs.upkeep.dead_runs import PROCESS_TAG, process_name
from arc_pipeline.defs.upkeep.on_hold import without
from arc_pipeline.defs.upkeep.staleness import DATA_VERSION_TAG, FAN_IN, FRESH, OF_DATASETS, Node, Scanner, Status
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Store

PREDICTIONS = "predictions"
QUIET = {"loggers": {"progress": {}}}
CODE_VERSION_TAG = "dagster/code_version"
FAILURE_REASON_TAG = "dagster/failure_reason"


@dataclass
class Batch:
    """Nodes of one partition that one run makes together, in topological order.

    `decodings`: those that can be made next of the same experiment; they share the work of predicting.
    """

    partition_key: str | None
    nodes: list[Node] = field(default_factory=list)
    decodings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How the run of a batch ended: `made` nodes were materialized, `failed` says what went wrong."""

    batch: Batch
    run_id: str
    made: tuple[Node, ...]
    failed: str


def selected(
    scanner: Scanner, statuses: Sequence[Status], patterns: Sequence[str], standing_back: Collection[str] = ()
) -> list[Status]:
    """The statuses that are not fresh and match a pattern (of the asset, the partition or a part of it), with the
    upstream that they need; tables over all experiments come along, but bring no experiment with them, and
    experiments that are `standing_back` come only if a pattern names them."""
    refuse_unknown(statuses, patterns)
    by_node = {status.node: status for status in statuses}
    wanted: set[Node] = set()

    def add(node: Node) -> None:
        if node not in wanted and by_node[node].status != FRESH:
            wanted.add(node)
            for parent in scanner.parents(node) if node.key not in FAN_IN else []:
                add(parent)

    asked = without(statuses, standing_back, patterns)
    matching = {status.node for status in asked if matches(status.node, patterns)}
    for node in matching:
        add(node)
    return [status for status in statuses if status.node in wanted or _follows(scanner, status, wanted, matching)]


def refuse_unknown(statuses: Sequence[Status], patterns: Sequence[str]) -> None:
    """ArcPipelineError for a pattern that matches nothing at all."""
    for pattern in patterns:
        if not any(matches(status.node, [pattern]) for status in statuses):
            names = {name for status in statuses for name in _names(status.node) if name}
            raise ArcPipelineError(f"--select {pattern!r} matches nothing{did_you_mean_or_all(pattern, names)}")


def _names(node: Node) -> list[str]:
    return [node.key, str(node.artefact), node.artefact.partition, *node.artefact.partition.split("/")]


def _follows(scanner: Scanner, status: Status, wanted: set[Node], matching: set[Node]) -> bool:
    """Whether it is a table over all experiments that the selected ones change, or should have changed before."""
    parents = set(scanner.parents(status.node)) if status.node.key in FAN_IN else set()
    return bool(parents & wanted or (parents & matching and status.status != FRESH))


def matches(node: Node, patterns: Sequence[str]) -> bool:
    """Whether any pattern, or that there is none, selects the node.

    A name with brackets is a name first: `checkpoint[one]` as a pattern would be a class of characters.
    """
    names = _names(node)
    return not patterns or any(name == each or fnmatch.fnmatch(name, each) for name in names for each in patterns)


def next_batch(scanner: Scanner, pending: Sequence[Node]) -> Batch:
    """The first of the pending nodes, and those that the same run can make after it.

    A node joins if all it needs is done or in the batch. One that is stale only because its upstream is waits instead:
    the upstream may come out the same, and then there is nothing to redo.
    """
    batch, waiting = Batch(pending[0].partition_key), set(pending)
    for node in pending:
        needed = {parent for parent in scanner.parents(node) if parent in waiting}
        same = node.partition_key == batch.partition_key and _same_kind(node, batch)
        if same and needed <= set(batch.nodes) and not (needed and scanner.status(node).inherited):
            batch.nodes.append(node)
    batch.decodings = _decodings(batch, [node for node in pending if waiting.isdisjoint(scanner.parents(node))])
    return batch


def _decodings(batch: Batch, ready: Sequence[Node]) -> list[str]:
    """Those at which the batch's experiment can be asked now, if the batch asks it."""
    asking = [node.artefact.partition.split("/") for node in ready if node.key == PREDICTIONS]
    asked = {node.artefact.partition.split("/")[0] for node in batch.nodes if node.key == PREDICTIONS}
    return [decoding for experiment, decoding in asking if experiment in asked]


def _same_kind(node: Node, batch: Batch) -> bool:
    """A dataset and an experiment may have the same name."""
    return not batch.nodes or (node.key in OF_DATASETS) == (batch.nodes[0].key in OF_DATASETS)


def run_batch(job: dg.JobDefinition, instance: DagsterInstance, store: Store, batch: Batch) -> Outcome:
    """One Dagster run in this process, recorded on the instance like any other."""
    before = {node: store.lineage(node.artefact) for node in batch.nodes}
    result = job.execute_in_process(
        instance=instance,
        partition_key=batch.partition_key,
        asset_selection=[dg.AssetKey(node.key) for node in batch.nodes],
        raise_on_error=False,
        run_config=QUIET,
        tags={PROCESS_TAG: process_name()} | ({DECODINGS_TAG: ",".join(batch.decodings)} if batch.decodings else {}),
    )
    if _interrupted(instance, result.run_id):
        raise KeyboardInterrupt  # Dagster has recorded it and would let the next batch begin
    made = tuple(node for node in batch.nodes if store.lineage(node.artefact) != before[node])
    return Outcome(batch, result.run_id, made, "" if result.success else _reason(result))


def _interrupted(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.get(FAILURE_REASON_TAG) == "UNEXPECTED_TERMINATION"


def report_again(instance: DagsterInstance, store: Store, node: Node) -> None:
    """Tells Dagster's database of an artefact that is on disk: its work is not lost with the database."""
    record = store.lineage(node.artefact)
    if record is not None:
        tags = {DATA_VERSION_TAG: record.data_version, CODE_VERSION_TAG: record.code_version}
        event = dg.AssetMaterialization(node.key, partition=node.partition_key, metadata=record.metadata, tags=tags)
        instance.report_runless_asset_event(event)


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run stumbled over: failed blocking checks first, then errors."""
    checks = [f"its check {each.check_name} failed: {each.description}" for each in _failed_checks(result)]
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    errors = [
        str((each.user_failure_data and each.user_failure_data.description) or _innermost(each.error))
        for each in failures
    ]
    # a blocking check makes its step fail with words that only say that it did
    return "\n".join(checks or errors) or "failed without a message"


def _failed_checks(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    evaluations = result.get_asset_check_evaluations()
    return [each for each in evaluations if each.blocking and not each.passed and each.severity.value == "ERROR"]


def _innermost(error: Any) -> str:
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed without a message"


def refresh(
    new_scanner: Callable[[], Scanner],
    run: Callable[[Batch], Outcome],
    planned: Sequence[Node],
    report: Callable[[int, int, Batch], None] = lambda done, total, batch: None,
) -> list[Outcome]:
    """Makes the planned nodes, which are in topological order, but none that turned out fresh meanwhile.

    What needs something that failed is left out; `report` is told how many of the planned nodes are settled.
    """
    outcomes: list[Outcome] = []
    pending = list(planned)
    while pending:
        scanner = new_scanner()
        pending = unsettled(scanner, pending)
        if not pending:
            break
        batch = next_batch(scanner, pending)
        report(len(planned) - len(pending), len(planned), batch)
        outcome = run(batch)
        outcomes.append(outcome)
        pending = [node for node in pending if node not in batch.nodes]
        if outcome.failed:
            lost = set(batch.nodes) - set(outcome.made)
            pending = [node for node in pending if node.key in FAN_IN or not lost & _upstream(scanner, node)]
    return outcomes


def unsettled(scanner: Scanner, pending: Sequence[Node]) -> list[Node]:
    """Those that are not fresh, or will not stay so: a table over all experiments is fresh until a new one is made."""
    kept: list[Node] = []
    for node in pending:
        if scanner.status(node).status != FRESH or set(kept) & set(scanner.parents(node)):
            kept.append(node)
    return kept


def _upstream(scanner: Scanner, node: Node) -> set[Node]:
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        parents = set(scanner.parents(waiting.pop())) - found
        found |= parents
        waiting.extend(parents)
    return found
