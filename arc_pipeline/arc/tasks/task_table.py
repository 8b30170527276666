"""Tasks as a table, one row a pair, and back again, also from artefacts. Knows nothing of where tasks come from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from arc_pipeline.arc.tasks.task import Grid, Pair, Task, shape
from arc_pipeline.store.tables import apart, read_table

Row = tuple[int, ...]
ROWS_AT_A_TIME = 4096
_GRID = pa.list_(pa.list_(pa.int8()))
TASKS_SCHEMA = pa.schema(
    {"task_id": pa.string(), "split": pa.string(), "pair_index": pa.int16(), "input": _GRID, "output": _GRID}
    | {f"{part}_{side}": pa.int16() for part in ("input", "output") for side in ("rows", "cols")}
)


def tasks_table(tasks: Sequence[Task]) -> pa.Table:
    """One row a pair; `pair_index` counts within the split."""
    rows = [
        (task.task_id, split, index, pair.input, pair.output, *shape(pair.input), *shape(pair.output))
        for task in tasks
        for split, pairs in (("train", task.train), ("test", task.test))
        for index, pair in enumerate(pairs)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(TASKS_SCHEMA)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, TASKS_SCHEMA.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TASKS_SCHEMA)


def tasks_from_table(table: pa.Table) -> list[Task]:
    """The inverse of `tasks_table`: tasks in the order of their first rows."""
    pairs: defaultdict[str, dict[str, dict[int, Pair]]] = defaultdict(lambda: {"train": {}, "test": {}})
    # equal rows of grids are one object, and a part of the table is converted at a time: generated data is large
    rows: dict[Row, Row] = {}
    for part in table.to_batches(max_chunksize=ROWS_AT_A_TIME):
        columns = [part[name].to_pylist() for name in ("task_id", "split", "pair_index", "input", "output")]
        for task_id, split, index, source, target in zip(*columns, strict=True):
            pairs[task_id][split][index] = Pair(_grid(source, rows), _grid(target, rows))
    return [Task(task_id, _in_order(splits["train"]), _in_order(splits["test"])) for task_id, splits in pairs.items()]


def read_tasks(directory: Path) -> list[Task]:
    """The tasks of an artefact `tasks`."""
    return tasks_from_table(read_table(directory, "tasks"))


def read_evaluation_tasks(directory: Path) -> dict[str, list[Task]]:
    """The tasks of an artefact `evaluation_tasks`, by dataset."""
    table = read_table(directory, "evaluation_tasks")
    return {dataset: tasks_from_table(part) for dataset, part in apart("dataset", table).items()}


def _in_order(pairs: Mapping[int, Pair]) -> tuple[Pair, ...]:
    return tuple(pair for _, pair in sorted(pairs.items()))


def _grid(cells: list[list[int]], rows: dict[Row, Row]) -> Grid:
    return tuple(rows.setdefault(row, row) for row in map(tuple, cells))
