"""Stacked tables come apart again as they were."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.store.tables import apart, stacked

TABLES = st.dictionaries(st.text(max_size=3), st.lists(st.integers(0, 9), min_size=1), min_size=1)


@given(TABLES)
def test_what_was_stacked_comes_apart(numbers: dict[str, list[int]]) -> None:
    tables = {name: pa.table({"number": pa.array(each, pa.int64())}) for name, each in numbers.items()}
    whole = stacked("name", tables)
    assert whole.column_names == ["name", "number"]
    assert whole["number"].to_pylist() == [number for each in numbers.values() for number in each]
    assert apart("name", whole) == tables


def test_a_table_without_rows_adds_none() -> None:
    empty = pa.table({"number": pa.array([], pa.int64())})
    assert stacked("name", {"a": empty}).schema.field("name").type == pa.string()
