"""What of the evaluation an experiment was trained on, by content: pairs, demonstrations, test inputs, and ids.

Two pairs are the same if one of the 8 transforms and one permutation of the colours turn the one into the other. Knows
tasks, not experiments, models or files.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.augmentation import TRANSFORMS
from arc_pipeline.arc.augmentation.verdict import NAMED_AT_MOST, Verdict
from arc_pipeline.arc.tasks.solutions import NO_SOLUTIONS, is_hidden
from arc_pipeline.arc.tasks.task import N_COLOURS, Grid, Pair, Task, shape

TRAINED_ON, SEEN, UNSEEN = "trained-on", "seen as demonstrations", "unseen"
SAME_TASK, SAME_DEMONSTRATIONS, SAME_INPUT = "same task", "same demonstrations", "same test input"
SAME_PAIR, SAME_ID = "same test pair", "same id, other content"
SHARED_SCHEMA = pa.schema(
    [
        *(("dataset", pa.string()), ("task_id", pa.string()), ("test_index", pa.int16())),
        *(("trained_dataset", pa.string()), ("trained_task_id", pa.string())),
        *(("trained_pair", pa.int16()), ("trained_is_test", pa.bool_()), ("exactly", pa.bool_())),
    ]
)
MATCHES_SCHEMA = pa.schema(
    [
        *(("dataset", pa.string()), ("task_id", pa.string()), ("match", pa.string()), ("exactly", pa.bool_())),
        *(("trained_dataset", pa.string()), ("trained_task_id", pa.string())),
    ]
)
Tasks = Mapping[str, Sequence[Task]]
# (dataset, task id, number of the pair, whether it is a test pair)
Place = tuple[str, str, int, bool]
Name = tuple[str, str]


def canonical(pair: Pair) -> bytes:
    """Equal for two pairs exactly if an augmentation, applied to input and output alike, turns one into the other."""
    return min(_relabelled([turn(grid) for grid in _grids(pair)]) for turn in TRANSFORMS.values())


def _grids(pair: Pair) -> list[Grid]:
    """The input, and the output if it is known."""
    return [pair.input, pair.output] if pair.output else [pair.input]


def _relabelled(grids: Sequence[Grid]) -> bytes:
    """Shapes and cells, the colours numbered by their first occurrence."""
    cells = b"".join(map(_cells, grids))
    colours = bytes(dict.fromkeys(cells))
    numbered = cells.translate(bytes.maketrans(colours, bytes(range(len(colours)))))
    return bytes(side for grid in grids for side in shape(grid)) + numbered


def _cells(grid: Grid) -> bytes:
    return b"".join(map(bytes, grid))


def _signature(pair: Pair) -> tuple[object, ...]:
    """No augmentation changes it, and it is far cheaper than the canonical form."""
    grids = _grids(pair)
    sides, cells = [shape(grid) for grid in grids], [_cells(grid) for grid in grids]
    counts = sorted(tuple(each.count(colour) for each in cells) for colour in range(N_COLOURS))
    return tuple(min(sides, [side[::-1] for side in sides])), *counts


class TrainedPairs:
    """Where pairs are trained on: of those that are asked for, all places, exactly and up to augmentation."""

    def __init__(self, trained: Tasks, asked: Iterable[Pair]) -> None:
        self._exactly: dict[Pair, list[Place]] = {}
        self._alike: dict[bytes, list[Place]] = {}
        wanted: set[tuple[object, ...]] = set()
        inputs_wanted = False
        for pair in asked:
            wanted.add(_signature(pair))
            inputs_wanted |= not pair.output
        self._sizes = {(dataset, task.task_id): len(task.pairs) for dataset in trained for task in trained[dataset]}
        for place, pair in _placed(trained):
            for form in (pair, Pair(pair.input, ())) if inputs_wanted else (pair,):
                if _signature(form) in wanted:
                    self._exactly.setdefault(form, []).append(place)
                    self._alike.setdefault(canonical(form), []).append(place)

    def first(self, pair: Pair) -> tuple[Place, bool] | None:
        """(the first place of a pair, whether it is exactly that pair there), None if it is not trained on."""
        if places := self._exactly.get(pair):
            return places[0], True
        places = self._alike.get(canonical(pair))
        return (places[0], False) if places else None

    def tasks(self, pair: Pair, exactly: bool) -> list[Name]:
        """The training tasks that have the pair."""
        places = self._exactly.get(pair) if exactly else self._alike.get(canonical(pair))
        return list(dict.fromkeys(place[:2] for place in places or ()))

    def as_large(self, names: Sequence[Name], task: Task) -> list[Name]:
        """Those of the training tasks that have as many pairs as a task: without its test pairs it is not the same."""
        return [name for name in names if self._sizes[name] >= len(task.pairs)]


def _placed(trained: Tasks) -> Iterator[tuple[Place, Pair]]:
    for dataset, tasks in trained.items():
        for task in tasks:
            for number, pair in enumerate(task.pairs):
                yield (dataset, task.task_id, number, task.is_test(number)), pair


def _tests(evaluated: Tasks) -> Iterator[tuple[tuple[str, str, int], Pair]]:
    for dataset, tasks in evaluated.items():
        for task in tasks:
            for index, pair in enumerate(task.test):
                yield (dataset, task.task_id, index), pair


def shared_pairs(trained: Tasks, evaluated: Tasks) -> pa.Table:
    """One row for each test pair of evaluation that is a pair, train or test, of a training dataset: its first one.

    Only of pairs whose output is known.
    """
    questions = [(key, pair) for key, pair in _tests(evaluated) if pair.output]
    pairs = TrainedPairs(trained, [pair for _, pair in questions])
    rows = ((*key, *found[0], found[1]) for key, pair in questions if (found := pairs.first(pair)))
    return pa.Table.from_pylist([dict(zip(SHARED_SCHEMA.names, row, strict=True)) for row in rows], SHARED_SCHEMA)


def matching_tasks(trained: Tasks, evaluated: Tasks) -> pa.Table:
    """How evaluation tasks are related to training tasks, see MATCHES_SCHEMA: the closest relation by content of each,
    and the training tasks that have its id and another content."""
    asked = [pair for tasks in evaluated.values() for task in tasks for pair in task.pairs]
    pairs = TrainedPairs(trained, asked)
    datasets_of: dict[str, list[Name]] = {}
    for dataset, tasks in trained.items():
        for task in tasks:
            datasets_of.setdefault(task.task_id, []).append((dataset, task.task_id))
    rows = [
        dict(zip(MATCHES_SCHEMA.names, (dataset, task.task_id, *match), strict=True))
        for dataset, tasks in evaluated.items()
        for task in tasks
        for match in _matches(task, pairs, datasets_of.get(task.task_id, []))
    ]
    return pa.Table.from_pylist(rows, MATCHES_SCHEMA)


def _matches(task: Task, pairs: TrainedPairs, same_id: Sequence[Name]) -> Iterator[tuple[str, bool, str, str]]:
    found: dict[str, tuple[bool, Name]] = {}
    related: set[Name] = set()
    for exactly in (True, False):
        shown = _common([pairs.tasks(pair, exactly) for pair in task.train])
        asked = [pairs.tasks(pair, exactly) for pair in task.test]
        inputs = [names for pair, names in zip(task.test, asked, strict=True) if names and not pair.output]
        related.update(shown)
        for match, names in (
            (SAME_TASK, pairs.as_large(_common([shown, *asked]), task)),
            (SAME_DEMONSTRATIONS, shown),
            (SAME_INPUT, inputs[0] if inputs else []),
        ):
            if names:
                found.setdefault(match, (exactly, names[0]))
    for match in (SAME_TASK, SAME_DEMONSTRATIONS, SAME_INPUT):
        if match in found:
            exactly, name = found[match]
            yield match, exactly, *name
            break
    yield from ((SAME_ID, True, *name) for name in same_id if name not in related)


def _common(names: Sequence[Sequence[Name]]) -> list[Name]:
    """Those in all of the lists, in the order of the first; nothing of no list."""
    return [name for name in names[0] if all(name in others for others in names[1:])] if names else []


def first_places(shared: pa.Table) -> pa.Table:
    """The first row of each test pair, or of each task and relation."""
    keys = [name for name in ("dataset", "task_id", "test_index", "match") if name in shared.column_names]
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for row in shared.to_pylist():
        rows.setdefault(tuple(row[key] for key in keys), row)
    return pa.Table.from_pylist(list(rows.values()), shared.schema)


@dataclass(frozen=True)
class Seen:
    """What a training saw of the evaluation: shared test pairs and matching tasks.

    `intended`: datasets that are trained on with their test pairs, with the tasks of each that are in an example;
    `adapted`: datasets of whose demonstrations test-time training makes its examples.
    """

    shared: pa.Table
    matches: pa.Table
    intended: Mapping[str, Collection[str]] = field(default_factory=dict)
    adapted: Collection[str] = ()

    @classmethod
    def of(cls, trained: Tasks, evaluated: Tasks, intended: Collection[str] = ()) -> "Seen":
        """Compares what was trained on with what is evaluated on."""
        ids = {name: {task.task_id for task in trained.get(name, ())} for name in intended}
        return cls(shared_pairs(trained, evaluated), matching_tasks(trained, evaluated), ids)

    def label(self, dataset: str, tasks: Sequence[Task]) -> str:
        """What to say beside the results of a dataset."""
        hidden = f"{NO_SOLUTIONS}; " if is_hidden(tasks) else ""
        return hidden + self._label(dataset, tasks)

    def _label(self, dataset: str, tasks: Sequence[Task]) -> str:
        total, n_pairs = len(tasks), sum(len(task.test) for task in tasks)
        trained = sum(task.task_id in self.intended.get(dataset, ()) for task in tasks)
        if trained:
            return TRAINED_ON if trained == total else f"{TRAINED_ON}, but for {_never(total - trained, total)}"
        if shared := Counter(self.shared["dataset"].to_pylist())[dataset]:
            return f"{TRAINED_ON}: {shared} of {n_pairs} test pairs"
        counts = Counter(zip(self.matches["dataset"].to_pylist(), self.matches["match"].to_pylist(), strict=True))
        if same := counts[dataset, SAME_TASK]:
            return f"{TRAINED_ON}: {same} of {total} tasks"
        if shown := counts[dataset, SAME_DEMONSTRATIONS]:
            return _seen(shown, total)
        never = sum(task.task_id not in self.intended[dataset] for task in tasks) if dataset in self.intended else 0
        return f"{UNSEEN}: {_never(never, total)}" if never else UNSEEN


def _never(count: int, total: int) -> str:
    return f"{count} of {total} tasks that are in no training example"


def _seen(count: int, total: int) -> str:
    return SEEN if count == total else f"{SEEN}: {count} of {total} tasks"


def contamination_labels(evaluated: Tasks, seen: Seen) -> dict[str, str]:
    """What to say beside the results of each evaluation dataset: it is trained on, its demonstrations were seen, or it
    is unseen."""
    return {dataset: seen.label(dataset, tasks) for dataset, tasks in evaluated.items()}


def evaluation_pairs_are_not_in_training(evaluated: Tasks, seen: Seen) -> Verdict:
    """No test pair, task or set of demonstrations is trained on, up to augmentation, but by intention: those of
    datasets that are trained on, and demonstrations at test time."""
    words = "; ".join(f"{dataset}: {label}" for dataset, label in contamination_labels(evaluated, seen).items())
    matches = [row for row in seen.matches.to_pylist() if row["dataset"] not in seen.intended]
    offending = [row for row in matches if _offends(row, seen)]
    pairs = [row for row in seen.shared.to_pylist() if row["dataset"] not in seen.intended]
    offenders = [*map(_match_words, offending), *map(_pair_words, pairs)]
    if others := [row for row in matches if row["match"] == SAME_ID]:
        words += f"; {SAME_ID}: {', '.join(_name(row) for row in others[:NAMED_AT_MOST])}"
    return Verdict(not offenders, words, tuple(offenders[:NAMED_AT_MOST]))


def _offends(row: Mapping[str, Any], seen: Seen) -> bool:
    if row["match"] == SAME_DEMONSTRATIONS:
        return row["dataset"] not in seen.adapted
    return bool(row["match"] != SAME_ID)


def _match_words(row: Mapping[str, Any]) -> str:
    return f"{row['match']}, {_how(row)}: {_name(row)} is {row['trained_dataset']}/{row['trained_task_id']}"


def _pair_words(row: Mapping[str, Any]) -> str:
    kind = " (test)" if row["trained_is_test"] else ""
    place = f"{row['trained_dataset']}/{row['trained_task_id']} pair {row['trained_pair']}{kind}"
    return f"{SAME_PAIR}, {_how(row)}: {_name(row)} test pair {row['test_index']} is {place}"


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['dataset']}/{row['task_id']}"


def _how(row: Mapping[str, Any]) -> str:
    return "exactly" if row["exactly"] else "up to augmentation"
