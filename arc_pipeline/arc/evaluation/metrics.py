"""Metrics over the N planned candidates of each test pair, and their means over tasks.

The denominator is what was planned: a candidate that is undecodable or missing, and a task without predictions, count
as wrong and `unanswered`. Knows nothing of experiments, temperatures or files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from operator import ne
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.bootstrap import Floats, mean_and_interval, resampled
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

SHARES = ("accuracy", "correct_size", "correct_pixels", "unanswered", "pass_n", "vote_1", "vote_2")
TASK_METRICS = (*SHARES, "task_score", "task_solved")
COUNTS = ("n", "answered", "decoded")
PER_PAIR_SCHEMA = pa.schema(
    [("dataset", pa.string()), ("task_id", pa.string()), ("test_index", pa.int16())]
    + [(name, pa.int32()) for name in COUNTS]
    + [(name, pa.float64()) for name in SHARES]
)


def column_title(metric: str, n: int) -> str:
    """The metric's name as tables show it: `pass_n` with its number of candidates, `pass_32`."""
    return f"pass_{n}" if metric == "pass_n" else metric


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
    wrong = [wrong_cells(one.grid, truth) for one in ranked]
    right_size = [(one.votes, cells) for one, cells in zip(ranked, wrong, strict=True) if cells is not None]
    n_cells = len(truth) * len(truth[0])
    decoded = sum(one.votes for one in ranked)
    return {
        "decoded": decoded,
        "accuracy": sum(votes for votes, cells in right_size if cells == 0) / planned,
        "correct_size": sum(votes for votes, _ in right_size) / planned,
        "correct_pixels": sum(votes * (n_cells - cells) / n_cells for votes, cells in right_size) / planned,
        "unanswered": (planned - decoded) / planned,
        "pass_n": float(0 in wrong),
        "vote_1": float(0 in wrong[:1]),
        "vote_2": float(0 in wrong[:2]),
    }


def wrong_cells(grid: Grid, truth: Grid) -> int | None:
    """In how many cells the grid differs from the truth; None if their shapes differ."""
    if shape(grid) != shape(truth):
        return None
    return sum(sum(map(ne, row, true_row)) for row, true_row in zip(grid, truth, strict=True) if row != true_row)


def per_task(per_pair: pa.Table) -> pa.Table:
    """One row a task: means over its test pairs, `task_score` (share solved within 2 attempts), `task_solved` (all)."""
    columns = {"test_pairs": ("test_index", "count"), "n": ("n", "max"), "planned": ("n", "sum")}
    columns |= {name: (name, "sum") for name in ("answered", "decoded")}
    columns |= {name: (name, "mean") for name in SHARES}
    columns |= {"task_score": ("vote_2", "mean"), "task_solved": ("vote_2", "min")}
    # threads would lose the order of the tasks
    groups = per_pair.group_by(["dataset", "task_id"], use_threads=False).aggregate([*dict.fromkeys(columns.values())])
    keys = {name: groups.column(name) for name in ("dataset", "task_id")}
    return pa.table(keys | {name: groups.column("_".join(source)) for name, source in columns.items()})


def aggregate(per_task: pa.Table, per_pair: pa.Table, seed: int = 0) -> list[dict[str, Any]]:
    """One row a dataset: `n` candidates a test pair; `planned`, `answered`, `decoded` candidates over all test pairs;
    means over tasks; `pair_score`, vote_2 over all test pairs alike; `intervals`, {metric: [low, high]}, 95 %.
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
    weights = resampled(tasks.num_rows, seed)
    ones, sizes = np.ones(tasks.num_rows), _floats(tasks, "test_pairs")
    bounds = {metric: mean_and_interval(weights, _floats(tasks, metric), ones) for metric in TASK_METRICS}
    bounds["pair_score"] = mean_and_interval(weights, _floats(tasks, "vote_2") * sizes, sizes)
    row |= {metric: mean for metric, (mean, _, _) in bounds.items()}
    return row | {"intervals": {metric: [low, high] for metric, (_, low, high) in bounds.items()}}


def _floats(table: pa.Table, column: str) -> Floats:
    return np.asarray(table.column(column).to_numpy(), dtype=np.float64)
