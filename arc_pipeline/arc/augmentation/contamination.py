"""Which test pairs an experiment was trained on, up to augmentation. Knows pairs, not experiments, models or files.

Two pairs are the same if one of the 8 transforms and one permutation of the colours turn the one into the other.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa

from arc_pipeline.arc.augmentation.augmentation import TRANSFORMS
from arc_pipeline.arc.augmentation.verdict import NAMED_AT_MOST, Verdict
from arc_pipeline.arc.tasks.task import N_COLOURS, Grid, Pair, Task, shape

TRAINED_ON = "trained-on"
SHARED_SCHEMA = pa.schema(
    [
        *(("dataset", pa.string()), ("task_id", pa.string()), ("test_index", pa.int16())),
        *(("trained_dataset", pa.string()), ("trained_task_id", pa.string())),
        *(("trained_pair", pa.int16()), ("trained_is_test", pa.bool_())),
    ]
)


def canonical(pair: Pair) -> bytes:
    """Equal for two pairs exactly if an augmentation, applied to input and output alike, turns one into the other."""
    return min(_relabelled(turn(pair.input), turn(pair.output)) for turn in TRANSFORMS.values())


def _relabelled(first: Grid, second: Grid) -> bytes:
    """Shapes and cells, the colours numbered by their first occurrence."""
    cells = _cells(first) + _cells(second)
    colours = bytes(dict.fromkeys(cells))
    numbered = cells.translate(bytes.maketrans(colours, bytes(range(len(colours)))))
    return bytes((*shape(first), *shape(second))) + numbered


def _cells(grid: Grid) -> bytes:
    return b"".join(map(bytes, grid))


def _signature(pair: Pair) -> tuple[object, ...]:
    """No augmentation changes it, and it is far cheaper than the canonical form."""
    sides = shape(pair.input), shape(pair.output)
    first, second = _cells(pair.input), _cells(pair.output)
    counts = sorted((first.count(colour), second.count(colour)) for colour in range(N_COLOURS))
    return min(sides, (sides[0][::-1], sides[1][::-1])), *counts


def shared_pairs(trained: Mapping[str, Sequence[Task]], evaluated: Mapping[str, Sequence[Task]]) -> pa.Table:
    """One row for each test pair of evaluation that is a pair, train or test, of a training dataset: its first one."""
    questions = [
        ((dataset, task.task_id, index), pair)
        for dataset, tasks in evaluated.items()
        for task in tasks
        for index, pair in enumerate(task.test)
    ]
    places = _places(trained, {_signature(pair) for _, pair in questions})
    rows = ((*key, *place) for key, pair in questions if (place := places.get(canonical(pair))))
    return pa.Table.from_pylist([dict(zip(SHARED_SCHEMA.names, row, strict=True)) for row in rows], SHARED_SCHEMA)


def first_places(shared: pa.Table) -> pa.Table:
    """The first row of each test pair."""
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for row in shared.to_pylist():
        rows.setdefault((row["dataset"], row["task_id"], row["test_index"]), row)
    return pa.Table.from_pylist(list(rows.values()), SHARED_SCHEMA)


def _places(
    trained: Mapping[str, Sequence[Task]], wanted: Collection[tuple[object, ...]]
) -> dict[bytes, tuple[str, str, int, bool]]:
    """Where each canonical form is first trained on; pairs without a wanted signature are left out."""
    places: dict[bytes, tuple[str, str, int, bool]] = {}
    for place, pair in _trained_pairs(trained):
        if _signature(pair) in wanted:
            places.setdefault(canonical(pair), place)
    return places


def _trained_pairs(trained: Mapping[str, Sequence[Task]]) -> Iterator[tuple[tuple[str, str, int, bool], Pair]]:
    for dataset, tasks in trained.items():
        for task in tasks:
            for number, pair in enumerate(task.pairs):
                yield (dataset, task.task_id, number, task.is_test(number)), pair


def contamination_labels(
    trained: Collection[str], evaluated: Mapping[str, Sequence[Task]], shared: pa.Table
) -> dict[str, str]:
    """What to say beside the results of each evaluation dataset, given the names of the training datasets.

    `trained-on` where it is itself one of them, by intention; empty where nothing is shared.
    """
    counts = Counter(shared.column("dataset").to_pylist())
    return {
        dataset: TRAINED_ON if dataset in trained else _share(counts[dataset], sum(len(task.test) for task in tasks))
        for dataset, tasks in evaluated.items()
    }


def _share(shared: int, total: int) -> str:
    return f"{shared} of {total} test pairs are in training" if shared else ""


def evaluation_pairs_are_not_in_training(
    trained: Collection[str], evaluated: Mapping[str, Sequence[Task]], shared: pa.Table
) -> Verdict:
    """No test pair is trained on, up to augmentation, but those of datasets that are trained on by intention."""
    labels = contamination_labels(trained, evaluated, shared)
    offenders = [_words(row) for row in shared.to_pylist() if row["dataset"] not in trained]
    words = "; ".join(f"{dataset}: {label or 'shares no pair with training'}" for dataset, label in labels.items())
    return Verdict(not offenders, words, tuple(offenders[:NAMED_AT_MOST]))


def _words(row: Mapping[str, object]) -> str:
    kind = " (test)" if row["trained_is_test"] else ""
    place = f"{row['trained_dataset']}/{row['trained_task_id']} pair {row['trained_pair']}{kind}"
    return f"{row['dataset']}/{row['task_id']} test pair {row['test_index']} is {place}"
