"""Tasks as a table, one row a pair, and back again, also from artefacts. Knows nothing of where tasks come from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arc_pipeline.arc.tasks.packed_task import UNPACKED_PAIRS, PackedTask
from arc_pipeline.arc.tasks.task import Grid, Pair, Task, shape
from arc_pipeline.store.tables import apart, read_table

Row = tuple[int, ...]
ROWS_AT_A_TIME = 4096
TASKS_AT_A_TIME = 512
PARTS, SIDES = ("input", "output"), ("rows", "cols")
_GRID = pa.list_(pa.list_(pa.int8()))
TASKS_SCHEMA = pa.schema(
    {"task_id": pa.string(), "split": pa.string(), "pair_index": pa.int16(), "input": _GRID, "output": _GRID}
    | {f"{part}_{side}": pa.int16() for part in ("input", "output") for side in ("rows", "cols")}
)


def tasks_table(tasks: Sequence[Task]) -> pa.Table:
    """One row a pair; `pair_index` counts within the split. An output that is not known is an empty list."""
    # a few at a time: rows of Python's objects are many times as large as the table
    parts = [_table_of(tasks[first : first + TASKS_AT_A_TIME]) for first in range(0, len(tasks), TASKS_AT_A_TIME)]
    return pa.concat_tables(parts or [TASKS_SCHEMA.empty_table()])


def _table_of(tasks: Sequence[Task]) -> pa.Table:
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


def read_tasks(directory: Path) -> list[Task]:
    """The tasks of an artefact `tasks`, packed if they are many."""
    with pq.ParquetFile(directory / "tasks.parquet") as file:
        if file.metadata.num_rows <= UNPACKED_PAIRS:
            return tasks_from_table(file.read().cast(TASKS_SCHEMA))
        return list(_packed_tasks(file.iter_batches(ROWS_AT_A_TIME)))


def _packed_tasks(batches: Iterable[pa.RecordBatch]) -> Iterator[PackedTask]:
    """The tasks of the rows of `tasks_table`, a part at a time."""
    rest = TASKS_SCHEMA.empty_table()
    for batch in batches:
        rows = pa.concat_tables([rest, pa.Table.from_batches([batch]).cast(TASKS_SCHEMA)])
        last = pc.index(rows["task_id"], rows["task_id"][-1]).as_py()
        yield from _packed_part(rows.slice(0, last))
        rest = rows.slice(last)
    yield from _packed_part(rest)


def _packed_part(rows: pa.Table) -> Iterator[PackedTask]:
    ids = rows["task_id"].to_pylist()
    begins = [row for row in range(len(ids)) if not row or ids[row] != ids[row - 1]]
    sides = np.stack([rows[f"{part}_{side}"].to_numpy() for part, side in product(PARTS, SIDES)], axis=1)
    shapes, trains = sides.astype(np.uint8), pc.equal(rows["split"], "train").to_numpy()
    grids = list(chain.from_iterable(zip(*(_cells(rows, part) for part in PARTS), strict=True)))
    for begin, end in pairwise([*begins, len(ids)]):
        cells = b"".join(grids[2 * begin : 2 * end])
        yield PackedTask.from_bytes(ids[begin], int(trains[begin:end].sum()), shapes[begin:end].tobytes(), cells)


def _cells(rows: pa.Table, part: str) -> Iterator[bytes]:
    """The cells of each grid of a column."""
    n_cells = rows[f"{part}_rows"].to_numpy().astype(np.int64) * rows[f"{part}_cols"].to_numpy()
    cells = pc.list_flatten(pc.list_flatten(rows[part])).to_numpy().astype(np.uint8).tobytes()
    return (cells[begin:end] for begin, end in pairwise([0, *np.cumsum(n_cells).tolist()]))


def read_evaluation_tasks(directory: Path) -> dict[str, list[Task]]:
    """The tasks of an artefact `evaluation_tasks`, by dataset."""
    table = read_table(directory, "evaluation_tasks")
    return {dataset: tasks_from_table(part) for dataset, part in apart("dataset", table).items()}


def _in_order(pairs: Mapping[int, Pair]) -> tuple[Pair, ...]:
    return tuple(pair for _, pair in sorted(pairs.items()))


def _grid(cells: list[list[int]], rows: dict[Row, Row]) -> Grid:
    return tuple(rows.setdefault(row, row) for row in map(tuple, cells))
