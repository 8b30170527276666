"""Tasks as a table, one row a pair, and back again, also from artefacts. Knows nothing of where tasks come from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arc_pipeline.arc.tasks.task import Grid, Pair, Task, shape
from arc_pipeline.store.tables import apart, read_table

Row = tuple[int, ...]
ROWS_AT_A_TIME = 4096
MADE_AT_ONCE, TASKS_AT_A_TIME = 20_000, 512
_GRID = pa.list_(pa.list_(pa.int8()))
TASKS_SCHEMA = pa.schema(
    {"task_id": pa.string(), "split": pa.string(), "pair_index": pa.int16(), "input": _GRID, "output": _GRID}
    | {f"{part}_{side}": pa.int16() for part in ("input", "output") for side in ("rows", "cols")}
)


def tasks_table(tasks: Sequence[Task]) -> pa.Table:
    """One row a pair; `pair_index` counts within the split. An output that is not known is an empty list."""
    rows = [
        (task.task_id, split, index, pair.input, pair.output, *shape(pair.input), *_sides(pair.output))
        for task in tasks
        for split, pairs in (("train", task.train), ("test", task.test))
        for index, pair in enumerate(pairs)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(TASKS_SCHEMA)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, TASKS_SCHEMA.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TASKS_SCHEMA)


def _sides(grid: Grid) -> tuple[int, int]:
    """(rows, columns), none of an output that is not known."""
    return shape(grid) if grid else (0, 0)


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


def read_tasks(directory: Path) -> Sequence[Task]:
    """The tasks of an artefact `tasks`; those of a large one are made when they are looked at."""
    # part by part: Parquet's numbers are four times as wide as a colour
    parts = pq.ParquetFile(directory / "tasks.parquet").iter_batches(ROWS_AT_A_TIME)
    table = pa.Table.from_batches(parts, TASKS_SCHEMA)
    return LazyTasks(table) if table.num_rows > MADE_AT_ONCE else tasks_from_table(table)


class LazyTasks(Sequence[Task]):
    """The tasks of a table whose rows are in the order of `tasks_table`. Each is made when it is looked at, and not
    kept: as Python objects they need many times the memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table, ids = table, table["task_id"]
        begins = pc.indices_nonzero(pc.not_equal(ids[1:], ids[:-1])).to_numpy().astype(np.int64) + 1
        # the first row of each task, then the end
        self._begins = np.concatenate([[0], begins, [table.num_rows]])

    def __len__(self) -> int:
        return len(self._begins) - 1

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._between(place, place + 1)[0]

    def __iter__(self) -> Iterator[Task]:
        for first in range(0, len(self), TASKS_AT_A_TIME):
            yield from self._between(first, min(first + TASKS_AT_A_TIME, len(self)))

    def _between(self, first: int, last: int) -> list[Task]:
        begin, end = int(self._begins[first]), int(self._begins[last])
        return tasks_from_table(self._table.slice(begin, end - begin))


def read_evaluation_tasks(directory: Path) -> dict[str, list[Task]]:
    """The tasks of an artefact `evaluation_tasks`, by dataset."""
    table = read_table(directory, "evaluation_tasks")
    return {dataset: tasks_from_table(part) for dataset, part in apart("dataset", table).items()}


def _in_order(pairs: Mapping[int, Pair]) -> tuple[Pair, ...]:
    return tuple(pair for _, pair in sorted(pairs.items()))


def _grid(cells: list[list[int]], rows: dict[Row, Row]) -> Grid:
    return tuple(rows.setdefault(row, row) for row in map(tuple, cells))
