"""What `--select` means: which of the missing and stale artefacts a refresh makes, by patterns of their names."""

import fnmatch
from collections.abc import Collection, Sequence

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.defs.staleness.scanner import FAN_IN, FRESH, MISSING, NEVER_MADE, OF_DATASETS, Node, Scanner, Status
from arc_pipeline.errors import ArcPipelineError


def selected(
    scanner: Scanner, statuses: Sequence[Status], patterns: Sequence[str], on_hold: Collection[str] = ()
) -> list[Status]:
    """The statuses that are not fresh and match a pattern (of the asset, the partition or a part of it), with the
    upstream that they need. Tables over all experiments are included where a selected experiment changes them, but
    add no other experiment; experiments that are `on_hold` are included only if a pattern names them. Without patterns,
    datasets that were never made are included only where something needs them."""
    refuse_unknown(statuses, patterns)
    by_node = {status.node: status for status in statuses}
    wanted: set[Node] = set()

    def add(node: Node) -> None:
        if node not in wanted and by_node[node].status != FRESH:
            wanted.add(node)
            for parent in scanner.parents(node) if node.key not in FAN_IN else []:
                add(parent)

    candidates = [each for each in without(statuses, on_hold, patterns) if patterns or not never_made_data(each)]
    matching = {status.node for status in candidates if matches(status.node, patterns)}
    for node in matching:
        add(node)
    return [status for status in statuses if status.node in wanted or _follows(scanner, status, wanted, matching)]


def never_made_data(status: Status) -> bool:
    """Whether it is of a dataset that nobody made yet, and that nothing is wrong with."""
    return status.node.key in OF_DATASETS and status.status == MISSING and status.causes == [NEVER_MADE]


def refuse_unknown(statuses: Sequence[Status], patterns: Sequence[str]) -> None:
    """ArcPipelineError for a pattern that matches nothing at all."""
    for pattern in patterns:
        if not any(matches(status.node, [pattern]) for status in statuses):
            names = {name for status in statuses for name in _names(status.node) if name}
            raise ArcPipelineError(f"--select {pattern!r} matches nothing{did_you_mean_or_all(pattern, names)}")


def matches(node: Node, patterns: Sequence[str]) -> bool:
    """Whether any pattern, or that there is none, selects the node.

    A name with brackets is a name first: `checkpoint[one]` as a pattern would be a class of characters.
    """
    names = _names(node)
    return not patterns or any(
        name == pattern or fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns
    )


def without(statuses: Sequence[Status], experiments: Collection[str], patterns: Sequence[str]) -> list[Status]:
    """The statuses but those of some experiments, except where a pattern names the experiment itself."""
    left_out = unnamed(experiments, patterns)
    return [status for status in statuses if status.node.experiment not in left_out]


def unnamed(experiments: Collection[str], patterns: Sequence[str]) -> set[str]:
    """The experiments that no pattern names, by their name or by that of one of their artefacts."""
    return {name for name in experiments if not any(_is_named(name, pattern) for pattern in patterns)}


def _is_named(experiment: str, pattern: str) -> bool:
    return fnmatch.fnmatch(experiment, pattern) or f"[{experiment}]" in pattern or f"[{experiment}/" in pattern


def _names(node: Node) -> list[str]:
    return [node.key, str(node.artefact), node.artefact.partition, *node.artefact.partition.split("/")]


def _follows(scanner: Scanner, status: Status, wanted: set[Node], matching: set[Node]) -> bool:
    """Whether it is a table over all experiments that the selected ones change, or should have changed before."""
    parents = set(scanner.parents(status.node)) if status.node.key in FAN_IN else set()
    return bool(parents & wanted or (parents & matching and status.status != FRESH))
