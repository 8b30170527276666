"""Tables as Parquet files, as a hash of their values, and stacked with a column that says which each row is from.

Knows nothing of what the tables contain.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import fsync_file
from arc_pipeline.uncounted import uncounted

# read and hashed at a time: grids take more memory in Parquet than in the table
ROWS_IN_A_GROUP = ROWS_HASHED_AT_A_TIME = 16384


@uncounted("how a table is kept is no part of it")
def write_table(table: pa.Table, directory: Path, name: str) -> None:
    """Writes `<name>.parquet`."""
    path = directory / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS_IN_A_GROUP)


@uncounted("how a table is kept is no part of it")
def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file with checksums, in memory."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


@uncounted("how a table is kept is no part of it")
def write_whole(content: bytes, path: Path) -> None:
    """Writes a file under a temporary name first: it is there whole or not at all."""
    temporary = path.with_name(f".tmp-{path.stem}")  # found by no *.parquet: a kill may leave it behind
    try:
        temporary.write_bytes(content)
        fsync_file(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_file(path.parent)


@uncounted("how files are written is no part of what they say")
@contextmanager
def whole_directory(directory: Path) -> Iterator[Path]:
    """A directory beside the given one, which takes its name when the block has ended; nothing is left if it fails.
    ArcPipelineError if there is something in the given one."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ArcPipelineError(f"{directory} is there already, and not empty; name another directory, or remove it")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as temporary:
        place = Path(temporary) / directory.name
        place.mkdir()
        yield place
        os.replace(place, directory)


def read_table(directory: Path, name: str) -> pa.Table:
    """Reads `<name>.parquet`."""
    return pq.read_table(directory / f"{name}.parquet")


@uncounted("a hash of other values is another data version anyway")
def hash_tables(tables: Mapping[str, pa.Table], leave_out: Iterable[str] = ()) -> str:
    """SHA-256 over the values: the order of rows and columns and the encoding of the files do not matter."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        table = tables[name]
        columns = sorted(set(table.column_names) - set(leave_out))
        digest.update(json.dumps([name, columns]).encode())
        for row_hash in sorted(_row_hashes(table.select(columns))):
            digest.update(row_hash)
    return digest.hexdigest()


@uncounted("a hash of other values is another data version anyway")
def _row_hashes(table: pa.Table) -> Iterator[bytes]:
    """The hash of every row as JSON. Columns are written as wholes, which is faster than row by row."""
    for batch in table.to_batches(max_chunksize=ROWS_HASHED_AT_A_TIME):
        columns = [_as_json(column) for column in batch.columns]
        rows = pc.binary_join_element_wise(*columns, ", ").cast(pa.binary()).to_pylist() if columns else []
        for row in rows:
            yield hashlib.blake2b(b"[" + row + b"]", digest_size=16).digest()


@uncounted("a hash of other values is another data version anyway")
def _as_json(column: pa.Array) -> pa.StringArray:
    """Each value as `json.dumps` writes it."""
    kind = column.type
    if column.null_count:
        return pa.array(map(json.dumps, column.to_pylist()), pa.string())
    if pa.types.is_integer(kind):
        return column.cast(pa.string())
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "true", "false")
    if pa.types.is_string(kind):
        names = column.dictionary_encode()
        return pa.array(map(json.dumps, names.dictionary.to_pylist()), pa.string()).take(names.indices)
    if pa.types.is_list(kind) and pa.types.is_integer(kind.value_type) and not column.flatten().null_count:
        return pc.binary_join_element_wise("[", pc.binary_join(column.cast(pa.list_(pa.string())), ", "), "]", "")
    return pa.array(map(json.dumps, column.to_pylist()), pa.string())


def stacked(column: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """All rows in order of the tables; the first column, `column`, has the names of their tables."""
    return pa.concat_tables(
        table.add_column(0, column, pa.array([name] * table.num_rows, pa.string())) for name, table in tables.items()
    )


def apart(column: str, table: pa.Table) -> dict[str, pa.Table]:
    """The inverse of `stacked`, but for tables without rows."""
    names = table[column].unique().to_pylist()
    return {name: table.filter(pc.field(column) == name).drop_columns([column]) for name in names}
