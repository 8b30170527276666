"""Tables of one kind as one, with a column that says which each row is from, and apart again."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc


def stacked(column: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """All rows in order of the tables; the first column, `column`, has the names of their tables."""
    return pa.concat_tables(
        table.add_column(0, column, pa.array([name] * table.num_rows, pa.string())) for name, table in tables.items()
    )


def apart(column: str, table: pa.Table) -> dict[str, pa.Table]:
    """The inverse of `stacked`, but for tables without rows."""
    names = table[column].unique().to_pylist()
    return {name: table.filter(pc.field(column) == name).drop_columns([column]) for name in names}
