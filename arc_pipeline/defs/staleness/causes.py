"""What is stale or missing, put together by cause: one edit makes hundreds of artefacts stale, and is said once."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from arc_pipeline.defs.staleness.scanner import FRESH, MISSING, NEVER_MADE, STALE, UNRECORDED, Node, Status, is_stale

# of causes, in the order in which a person reads them
KINDS = (STALE, MISSING, UNRECORDED)


@dataclass
class Cause:
    """Why some artefacts are `kind`: in `words`, the first of them, and all of them, upstream first.

    An artefact with two causes is among both.
    """

    kind: str
    words: str
    first: Node
    statuses: list[Status] = field(default_factory=list)


def by_cause(statuses: Sequence[Status], parents: Callable[[Node], Iterable[Node]]) -> list[Cause]:
    """The causes of what is not fresh, stale before missing, of each kind in the order of the graph.

    What is missing because nobody made it is put together by experiment or dataset. `statuses` has what is looked at;
    an artefact that is stale only by one that is not among them has its own words as its cause.
    """
    by_node = {status.node: status for status in statuses}
    known: dict[Node, list[tuple[str, str]]] = {}

    def causes_of(status: Status) -> list[tuple[str, str]]:
        if status.node not in known:
            known[status.node] = _own(status)
            above = [by_node[parent] for parent in parents(status.node) if parent in by_node]
            upstream = {is_stale(each): each for each in above if each.status in {STALE, MISSING}}
            found = _own(status, besides=upstream)
            for words in status.causes:
                found += causes_of(upstream[words]) if words in upstream else []
            known[status.node] = list(dict.fromkeys(found)) or known[status.node]
        return known[status.node]

    grouped: dict[tuple[str, str], Cause] = {}
    for status in statuses:
        for kind, words in causes_of(status) if status.status != FRESH else []:
            cause = grouped.setdefault((kind, words), Cause(kind, words, status.node))
            cause.statuses.append(status)
    return sorted(grouped.values(), key=lambda cause: KINDS.index(cause.kind))


def _own(status: Status, besides: Collection[str] = ()) -> list[tuple[str, str]]:
    """(kind, words) of each of its causes, but for some."""
    if status.status == MISSING and status.causes == [NEVER_MADE]:
        node = status.node
        owner = node.experiment or node.artefact.partition or node.key
        return [(MISSING, f"{owner} was never made")]
    # an artefact that is damaged was made once: it is read as stale is
    kind = UNRECORDED if status.status == UNRECORDED else STALE
    return [(kind, _about(status, words)) for words in status.causes if words not in {NEVER_MADE, *besides}]


def _about(status: Status, words: str) -> str:
    """The words of a cause without their artefact, which then says nothing more than its asset: a change of code
    concerns all of its partitions."""
    if words.startswith("its code changed"):
        return words.replace("its code", f"the code of {status.node.key}", 1)
    return f"{status.node.artefact} {words}" if words.startswith(("its ", "cannot ")) else words
