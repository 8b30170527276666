"""Metrics over the N planned candidates of each test pair, and their means over tasks. METRICS has all that is known
of each: to add a metric, write its formula here and list it there.

The denominator is what was planned: a candidate that is undecodable or missing, and a task without predictions, count
as wrong and `unanswered`. Knows nothing of experiments, temperatures or files.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.bootstrap import Floats, means_and_intervals, resampled
from arc_pipeline.arc.evaluation.voting import (
    PAIR_COLUMNS,
    PairKey,
    RankedCandidate,
    pair_keys,
    pair_name,
    ranked_by_pair,
)
from arc_pipeline.arc.tasks.task import Grid, Task, shape
from arc_pipeline.errors import Fault, FaultyInput

Level: TypeAlias = Literal["pair", "task", "dataset"]
Formula: TypeAlias = Callable[..., Any]
# the place of a metric for which none is said: behind those that have one
LAST = 9


@dataclass(frozen=True)
class Metric:
    """What is known of a metric. At each level the formula takes something else:

    `pair`: a ScoredPair; a task's value is the mean of its pairs. `task`: the values of the metric `of` for the test
    pairs of a task. `dataset`: the values of `of` for all tasks, and how many test pairs each has; it returns the
    numerators and denominators, one a task, of the dataset's value.
    """

    name: str
    formula: Formula
    level: Level
    of: str
    higher_is_better: bool
    # in tables for people, at its place among the columns, from 0; and in those over temperatures
    shown: bool
    at_temperatures: bool
    place: int
    # pass_n: comparable only at the same n, with which its title is written
    depends_on_n: bool

    @property
    def description(self) -> str:
        """What it means, in a sentence."""
        return " ".join((self.formula.__doc__ or "").split())

    @property
    def direction(self) -> int:
        """1 if higher is better, else -1."""
        return 1 if self.higher_is_better else -1

    def title(self, n: int) -> str:
        """Its name as tables show it: `pass_n` with the number of candidates, `pass_32`."""
        return self.name.replace("_n", f"_{n}") if self.depends_on_n else self.name


def metric(
    name: str,
    level: Level = "pair",
    *,
    of: str = "",
    higher_is_better: bool = True,
    shown: bool = False,
    at_temperatures: bool = False,
    place: int = LAST,
    depends_on_n: bool = False,
) -> Callable[[Formula], Metric]:
    """Makes a metric of its formula, whose docstring describes it."""
    return lambda formula: Metric(
        name, formula, level, of, higher_is_better, shown, at_temperatures, place, depends_on_n
    )


@dataclass(frozen=True)
class ScoredPair:
    """The distinct grids for one test pair, best rank first, against its true output of `cells` cells.

    `votes` and `wrong` have one entry a grid; a grid has None wrong cells if its shape is not that of the truth.
    """

    votes: tuple[int, ...]
    wrong: tuple[int | None, ...]
    cells: int
    planned: int

    def right_size(self) -> list[tuple[int, int]]:
        """(votes, wrong cells) of the grids whose shape is right."""
        return [(votes, wrong) for votes, wrong in zip(self.votes, self.wrong, strict=True) if wrong is not None]


@metric("accuracy", shown=True, at_temperatures=True, place=0)
def accuracy(pair: ScoredPair) -> float:
    """Exact matches, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return sum(votes for votes, wrong in pair.right_size() if wrong == 0) / pair.planned


@metric("correct_size", shown=True, place=2)
def correct_size(pair: ScoredPair) -> float:
    """Grids of the right shape, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return sum(votes for votes, _ in pair.right_size()) / pair.planned


@metric("correct_pixels", shown=True, place=1)
def correct_pixels(pair: ScoredPair) -> float:
    """Right cells of grids of the right shape, others 0, share from 0 to 1 over the planned candidates, then over pairs
    and tasks."""
    return sum(votes * (pair.cells - wrong) / pair.cells for votes, wrong in pair.right_size()) / pair.planned


@metric("unanswered", higher_is_better=False)
def unanswered(pair: ScoredPair) -> float:
    """Completions that are no grid, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return (pair.planned - sum(pair.votes)) / pair.planned


@metric("pass_n", shown=True, at_temperatures=True, depends_on_n=True)
def pass_n(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with an exact match among n candidates."""
    return float(0 in pair.wrong)


@metric("vote_1")
def vote_1(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, whose most voted grid is right."""
    return float(0 in pair.wrong[:1])


@metric("vote_2", shown=True, at_temperatures=True)
def vote_2(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with the right grid among the two most voted."""
    return float(0 in pair.wrong[:2])


@metric("task_score", "task", of="vote_2")
def task_score(solved: Sequence[float]) -> float:
    """Official score: share of a task's test pairs solved within two attempts, averaged over tasks."""
    return sum(solved) / len(solved)


@metric("task_solved", "task", of="vote_2")
def task_solved(solved: Sequence[float]) -> float:
    """Share of tasks all of whose test pairs are solved within two attempts."""
    return min(solved)


@metric("pair_score", "dataset", of="vote_2")
def pair_score(solved: Floats, test_pairs: Floats) -> tuple[Floats, Floats]:
    """Share of all test pairs solved within two attempts, all weighing the same."""
    return solved * test_pairs, test_pairs


# in the order of the stored columns
METRICS: tuple[Metric, ...] = (
    *(accuracy, correct_size, correct_pixels, unanswered, pass_n, vote_1, vote_2),
    *(task_score, task_solved, pair_score),
)


def names(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """The names of metrics."""
    return tuple(each.name for each in metrics)


def in_tables(metrics: Iterable[Metric]) -> list[Metric]:
    """Metrics in the order of the columns of tables."""
    return sorted(metrics, key=lambda each: each.place)


BY_NAME = {each.name: each for each in METRICS}
PAIR_METRICS = names(each for each in METRICS if each.level == "pair")
TASK_METRICS = names(each for each in METRICS if each.level != "dataset")
SHOWN_METRICS = names(each for each in in_tables(METRICS) if each.shown)
TEMPERATURE_METRICS = names(each for each in in_tables(METRICS) if each.at_temperatures)
COUNTS = ("n", "answered", "decoded")
PER_PAIR_SCHEMA = pa.schema(
    [("dataset", pa.string()), ("task_id", pa.string()), ("test_index", pa.int16())]
    + [(name, pa.int32()) for name in COUNTS]
    + [(name, pa.float64()) for name in PAIR_METRICS]
)


def per_pair(
    predictions: pa.Table, attempts: pa.Table, tasks_by_dataset: Mapping[str, Sequence[Task]], planned: int
) -> pa.Table:
    """One row for every planned test pair, with predictions or not; `attempts` is attempts_table(predictions)."""
    truths = planned_truths(tasks_by_dataset)
    answered, ranked = answered_counts(predictions), ranked_by_pair(attempts)
    if faults := [*_count_faults(predictions, truths, planned), *_vote_faults(predictions, ranked)]:
        raise FaultyInput(faults)
    rows = [
        dict(zip(PAIR_COLUMNS, key, strict=True))
        | {"n": planned, "answered": answered[key]}
        | _pair_metrics(ranked.get(key, []), truth, planned)
        for key, truth in truths.items()
    ]
    return pa.Table.from_pylist(rows, schema=PER_PAIR_SCHEMA)


def planned_truths(tasks_by_dataset: Mapping[str, Sequence[Task]]) -> dict[PairKey, Grid]:
    """The true output of every planned test pair, in the order of datasets and tasks."""
    return {
        (dataset, task.task_id, index): pair.output
        for dataset, tasks in tasks_by_dataset.items()
        for task in tasks
        for index, pair in enumerate(task.test)
    }


def answered_counts(predictions: pa.Table) -> Counter[PairKey]:
    """How many candidates of each test pair have a row, decoded or not."""
    return Counter(pair_keys(predictions))


def _count_faults(predictions: pa.Table, truths: Mapping[PairKey, Grid], planned: int) -> Iterator[Fault]:
    for key, count in answered_counts(predictions).items():
        if key not in truths:
            yield Fault("predictions", pair_name(key), "only planned test pairs are predicted", f"{count} rows")
        elif count > planned:
            yield Fault("predictions", pair_name(key), f"at most {planned} candidates are planned", f"{count} rows")


def _vote_faults(predictions: pa.Table, ranked: Mapping[PairKey, Sequence[RankedCandidate]]) -> Iterator[Fault]:
    has_grid = predictions.column("grid").is_valid().to_pylist()
    decoded = Counter(compress(pair_keys(predictions), has_grid))
    for key in sorted(decoded.keys() | ranked.keys()):
        votes = sum(one.votes for one in ranked.get(key, []))
        if votes != decoded[key]:
            problem = f"votes must be the {decoded[key]} decoded candidates of the predictions: materialize it again"
            yield Fault("attempts", pair_name(key), problem, f"{votes} votes")


def _pair_metrics(ranked: Sequence[RankedCandidate], truth: Grid, planned: int) -> dict[str, float]:
    votes = tuple(one.votes for one in ranked)
    wrong = tuple(wrong_cells(one.grid, truth) for one in ranked)
    pair = ScoredPair(votes, wrong, len(truth) * len(truth[0]), planned)
    return {"decoded": sum(votes)} | {name: BY_NAME[name].formula(pair) for name in PAIR_METRICS}


def wrong_cells(grid: Grid, truth: Grid) -> int | None:
    """In how many cells the grid differs from the truth; None if their shapes differ."""
    if shape(grid) != shape(truth):
        return None
    return sum(sum(map(ne, row, true_row)) for row, true_row in zip(grid, truth, strict=True) if row != true_row)


def per_task(per_pair: pa.Table) -> pa.Table:
    """One row a task: how many test pairs and candidates it has, and TASK_METRICS."""
    columns = {"test_pairs": ("test_index", "count"), "n": ("n", "max"), "planned": ("n", "sum")}
    columns |= {name: (name, "sum") for name in ("answered", "decoded")}
    columns |= {name: (name, "mean") for name in PAIR_METRICS}
    columns |= {name: (BY_NAME[name].of, "list") for name in TASK_METRICS if name not in PAIR_METRICS}
    # threads would lose the order of the tasks
    groups = per_pair.group_by(["dataset", "task_id"], use_threads=False).aggregate([*dict.fromkeys(columns.values())])
    keys = {name: groups.column(name) for name in ("dataset", "task_id")}
    return pa.table(keys | {name: _of_tasks(name, groups.column("_".join(of))) for name, of in columns.items()})


def _of_tasks(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """A column of `per_task`, of one that was aggregated over the pairs of each task."""
    if not pa.types.is_list(column.type):
        return column
    return pa.array([BY_NAME[name].formula(values) for values in column.to_pylist()], pa.float64())


def aggregate(per_task: pa.Table, per_pair: pa.Table, seed: int = 0) -> list[dict[str, Any]]:
    """One row a dataset: `n` candidates a test pair; `planned`, `answered`, `decoded` candidates over all test pairs;
    METRICS; `intervals`, {metric: [low, high]}, 95 %.
    """
    datasets = per_task.column("dataset").unique().to_pylist()
    return [_dataset_row(name, _of(per_task, name), _of(per_pair, name), seed) for name in datasets]


def _of(table: pa.Table, dataset: str) -> pa.Table:
    return table.filter(pc.equal(table.column("dataset"), dataset))


def _dataset_row(dataset: str, tasks: pa.Table, pairs: pa.Table, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"dataset": dataset, "n": pc.max(pairs.column("n")).as_py()}
    row |= {"tasks": tasks.num_rows, "test_pairs": pairs.num_rows}
    row |= {"planned": pc.sum(pairs.column("n")).as_py()}
    row |= {name: pc.sum(pairs.column(name)).as_py() for name in ("answered", "decoded")}
    values = {each.name: _values_and_sizes(each, tasks) for each in METRICS}
    return row | means_and_intervals(resampled(tasks.num_rows, seed), values)


def _values_and_sizes(metric: Metric, tasks: pa.Table) -> tuple[Floats, Floats]:
    """The value of each task and how much it weighs."""
    if metric.level == "dataset":
        values, sizes = metric.formula(_floats(tasks, metric.of), _floats(tasks, "test_pairs"))
        return values, sizes
    return _floats(tasks, metric.name), np.ones(tasks.num_rows)


def _floats(table: pa.Table, column: str) -> Floats:
    return np.asarray(table.column(column).to_numpy(), dtype=np.float64)
