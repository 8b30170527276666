"""Redoes what is missing or stale and nothing else, in batches, upstream first. Is told how a batch is run."""

from collections.abc import Callable, Sequence

from arc_pipeline.defs.staleness.scanner import FAN_IN, FRESH, OF_DATASETS, OF_SCORED, Node, Scanner
from arc_pipeline.defs.upkeep.runs import Batch, Outcome

PREDICTIONS = "predictions"


def make_planned(
    scanner: Scanner,
    run: Callable[[Batch], Outcome],
    planned: Sequence[Node],
    report: Callable[[int, int, Batch], None] = lambda done, total, batch: None,
) -> list[Outcome]:
    """Makes the planned nodes, which are in topological order, but none that turned out fresh meanwhile.

    What needs something that failed is left out; `report` is told how many of the planned nodes are settled.
    """
    outcomes: list[Outcome] = []
    pending = list(planned)
    while pending := unsettled(scanner, pending):
        batch = next_batch(scanner, pending)
        report(len(planned) - len(pending), len(planned), batch)
        outcome = run(batch)
        outcomes.append(outcome)
        scanner.renew(batch.nodes)
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


def next_batch(scanner: Scanner, pending: Sequence[Node]) -> Batch:
    """The first of the pending nodes, and those that the same run can make after it.

    A node joins if all it needs is done or in the batch. One that is stale only because its upstream is waits instead:
    the upstream may come out the same, and then there is nothing to redo.
    """
    batch, unmade = Batch(pending[0].partition_key), set(pending)
    for node in pending:
        needed = {parent for parent in scanner.parents(node) if parent in unmade}
        same = node.partition_key == batch.partition_key and _same_kind(node, batch)
        if same and needed <= set(batch.nodes) and not (needed and scanner.status(node).inherited):
            batch.nodes.append(node)
    batch.decodings = _decodings(batch, [node for node in pending if unmade.isdisjoint(scanner.parents(node))])
    return batch


def _decodings(batch: Batch, ready: Sequence[Node]) -> list[str]:
    """Those at which the batch's experiment can be evaluated now, if the batch has predictions of it."""
    evaluated = {node.experiment for node in batch.nodes if node.key == PREDICTIONS}
    possible = [node.artefact.partition.split("/") for node in ready if node.key == PREDICTIONS]
    return [decoding for experiment, decoding in possible if experiment in evaluated]


def _same_kind(node: Node, batch: Batch) -> bool:
    """A dataset and an experiment may have the same name; and one run has one definition of its partitions."""
    kinds = (OF_DATASETS, OF_SCORED)
    return not batch.nodes or all((node.key in kind) == (batch.nodes[0].key in kind) for kind in kinds)


def _upstream(scanner: Scanner, node: Node) -> set[Node]:
    upstream: set[Node] = set()
    unseen = [node]
    while unseen:
        parents = set(scanner.parents(unseen.pop())) - upstream
        upstream |= parents
        unseen.extend(parents)
    return upstream
