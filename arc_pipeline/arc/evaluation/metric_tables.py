"""Tables of metrics: for each test pair, means over the pairs of a task, and means over the tasks of a dataset.

Every planned test pair counts, with predictions or not. Knows nothing of experiments, temperatures or files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.evaluation.bootstrap import Floats, means_and_intervals, resampled
from arc_pipeline.arc.evaluation.metrics import (
    BY_NAME,
    METRICS,
    PAIR_METRICS,
    RANKED_METRICS,
    TASK_METRICS,
    Metric,
    ScoredPair,
    ranked_in,
    wrong_cells,
)
from arc_pipeline.arc.evaluation.voting import (
    ATTEMPT_NAMES,
    PAIR_COLUMNS,
    VOTES,
    PairKey,
    RankedCandidate,
    pair_keys,
    pair_name,
    ranked_by_pair,
    rankings_of,
)
from arc_pipeline.arc.tasks.solutions import known_outputs
from arc_pipeline.arc.tasks.task import Grid, Task
from arc_pipeline.errors import Fault, FaultyInput

COUNTS = ("n", "answered", "decoded")
PER_PAIR_SCHEMA = pa.schema(
    [("dataset", pa.string()), ("task_id", pa.string()), ("test_index", pa.int16())]
    + [(name, pa.int32()) for name in COUNTS]
    + [(name, pa.float64()) for name in PAIR_METRICS]
)


def per_pair(
    predictions: pa.Table, attempts: pa.Table, tasks_by_dataset: Mapping[str, Sequence[Task]], planned: int
) -> pa.Table:
    """One row for every planned test pair whose output is known, with predictions or not; `attempts` is
    attempts_table(predictions), or that with other ranks, of which RANKED_METRICS are then columns."""
    truths = planned_truths(tasks_by_dataset)
    predictions, attempts = (without_unknown(table, tasks_by_dataset) for table in (predictions, attempts))
    answered, ranked = answered_counts(predictions), ranked_by_pair(attempts)
    others = {name: ranked_by_pair(attempts, name) for name in rankings_of(attempts) if name != VOTES}
    if faults := [*_count_faults(predictions, truths, planned), *_vote_faults(predictions, ranked)]:
        raise FaultyInput(faults)
    rows = [
        dict(zip(PAIR_COLUMNS, key, strict=True))
        | {"n": planned, "answered": answered[key]}
        | _pair_metrics(
            ranked.get(key, []), {name: by_pair.get(key, []) for name, by_pair in others.items()}, truth, planned
        )
        for key, truth in truths.items()
    ]
    schema = PER_PAIR_SCHEMA
    for each in RANKED_METRICS:
        schema = schema.append(pa.field(each.name, pa.float64())) if each.ranking in others else schema
    return pa.Table.from_pylist(rows, schema=schema)


def planned_truths(tasks_by_dataset: Mapping[str, Sequence[Task]]) -> dict[PairKey, Grid]:
    """The true output of every planned test pair that has one, in the order of datasets and tasks."""
    return {
        (dataset, task.task_id, index): output
        for dataset, tasks in tasks_by_dataset.items()
        for task in tasks
        for index, output in known_outputs(task)
    }


def without_unknown(table: pa.Table, tasks_by_dataset: Mapping[str, Sequence[Task]]) -> pa.Table:
    """The rows of predictions or attempts but for those of test pairs whose output is not known."""
    unknown = {
        (dataset, task.task_id, index)
        for dataset, tasks in tasks_by_dataset.items()
        for task in tasks
        for index, pair in enumerate(task.test)
        if not pair.output
    }
    if not unknown:
        return table
    return table.filter(pa.array([key not in unknown for key in pair_keys(table)], pa.bool_()))


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


def _pair_metrics(
    ranked: Sequence[RankedCandidate], others: Mapping[str, Sequence[RankedCandidate]], truth: Grid, planned: int
) -> dict[str, float]:
    """`others`: the same candidates by other rankings, best first."""
    votes = tuple(one.votes for one in ranked)
    wrong = tuple(wrong_cells(one.grid, truth) for one in ranked)
    chosen = {
        name: tuple(wrong_cells(one.grid, truth) for one in ordered[: len(ATTEMPT_NAMES)])
        for name, ordered in others.items()
    }
    pair = ScoredPair(votes, wrong, len(truth) * len(truth[0]), planned, chosen)
    metrics = [BY_NAME[name] for name in PAIR_METRICS] + [each for each in RANKED_METRICS if each.ranking in chosen]
    return {"decoded": sum(votes)} | {each.name: each.formula(pair) for each in metrics}


def per_task(per_pair: pa.Table) -> pa.Table:
    """One row a task: how many test pairs and candidates it has, TASK_METRICS, and what the pairs have of
    RANKED_METRICS."""
    columns = {"test_pairs": ("test_index", "count"), "n": ("n", "max"), "planned": ("n", "sum")}
    columns |= {name: (name, "sum") for name in ("answered", "decoded")}
    columns |= {name: (name, "mean") for name in (*PAIR_METRICS, *ranked_in(per_pair.column_names))}
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
    METRICS and those of RANKED_METRICS that the tasks have; `intervals`, {metric: [low, high]}, 95 %.
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
    metrics = [*METRICS, *(BY_NAME[name] for name in ranked_in(tasks.column_names))]
    values = {each.name: _values_and_sizes(each, tasks) for each in metrics}
    return row | means_and_intervals(resampled(tasks.num_rows, seed), values)


def _values_and_sizes(metric: Metric, tasks: pa.Table) -> tuple[Floats, Floats]:
    """The value of each task and how much it weighs."""
    if metric.level == "dataset":
        values, sizes = metric.formula(_floats(tasks, metric.of), _floats(tasks, "test_pairs"))
        return values, sizes
    return _floats(tasks, metric.name), np.ones(tasks.num_rows)


def _floats(table: pa.Table, column: str) -> Floats:
    return np.asarray(table.column(column).to_numpy(), dtype=np.float64)
