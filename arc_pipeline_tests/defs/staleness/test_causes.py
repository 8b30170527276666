"""Causes before artefacts: one for all that it makes stale, stale before missing."""

from arc_pipeline.defs.staleness.causes import by_cause
from arc_pipeline.defs.staleness.scanner import FRESH, MISSING, NEVER_MADE, STALE, Node, Status

TASKS, EXAMPLES = Node("tasks", "d"), Node("augmented_examples", "e")
CHECKPOINT, OTHER, FRESH_ONE = Node("checkpoint", "e"), Node("augmented_examples", "f"), Node("initial_weights", "e")
PARENTS = {CHECKPOINT: [EXAMPLES, FRESH_ONE], EXAMPLES: [TASKS], OTHER: [TASKS]}
CODE = "its code changed: a"


def causes(*statuses: Status) -> list[tuple[str, str, list[Node]]]:
    found = by_cause(statuses, lambda node: PARENTS.get(node, []))
    return [(cause.kind, cause.words, [status.node for status in cause.statuses]) for cause in found]


def test_what_is_only_below_counts_for_what_is_above() -> None:
    first = Status(EXAMPLES, STALE, [CODE])
    below = Status(CHECKPOINT, STALE, ["augmented_examples[e] is stale"], inherited=True)
    assert causes(Status(FRESH_ONE, FRESH), first, below) == [
        (STALE, "the code of augmented_examples changed: a", [EXAMPLES, CHECKPOINT])
    ]


def test_what_has_causes_of_its_own_counts_for_those_above_too() -> None:
    first = Status(EXAMPLES, STALE, [CODE])
    below = Status(CHECKPOINT, STALE, ["its code changed: b", "augmented_examples[e] is stale"])
    assert causes(first, below) == [
        (STALE, "the code of augmented_examples changed: a", [EXAMPLES, CHECKPOINT]),
        (STALE, "the code of checkpoint changed: b", [CHECKPOINT]),
    ]
    assert [words for _, words, _ in causes(below)] == [
        "the code of checkpoint changed: b",
        "augmented_examples[e] is stale",
    ]


def test_one_change_of_code_is_one_cause_for_all_partitions() -> None:
    both = Status(EXAMPLES, STALE, [CODE, "d changed"]), Status(OTHER, STALE, [CODE])
    assert [(words, len(nodes)) for _, words, nodes in causes(*both)] == [
        ("the code of augmented_examples changed: a", 2),
        ("d changed", 1),
    ]


def test_what_was_never_made_is_one_row_an_experiment_and_comes_last() -> None:
    found = causes(
        Status(TASKS, MISSING, [NEVER_MADE]),
        Status(EXAMPLES, MISSING, [NEVER_MADE]),
        Status(OTHER, STALE, [CODE]),
        Status(CHECKPOINT, MISSING, [NEVER_MADE]),
    )
    assert [(kind, words) for kind, words, _ in found] == [
        (STALE, "the code of augmented_examples changed: a"),
        (MISSING, "d was never made"),
        (MISSING, "e was never made"),
    ]
    assert found[2][2] == [EXAMPLES, CHECKPOINT]


def test_damage_is_told_with_what_is_damaged() -> None:
    [(kind, words, _)] = causes(Status(CHECKPOINT, MISSING, ["cannot be used: x is missing"]))
    assert (kind, words) == (STALE, "checkpoint[e] cannot be used: x is missing")
