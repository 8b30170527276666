"""Stacked tables come apart again as they were, and hashes see only values."""

from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.store.tables import apart, hash_tables, read_table, stacked, write_table

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


ROWS = st.lists(st.tuples(st.integers(0, 3), st.text(max_size=2), st.lists(st.integers(0, 9), max_size=2)))


def table(rows: list[tuple[int, str, list[int]]]) -> pa.Table:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.list_(pa.int8()))])
    return pa.Table.from_pylist([dict(zip("abc", row, strict=True)) for row in rows], schema)


@settings(deadline=None, max_examples=50)
@given(ROWS, st.data())
def test_the_order_of_rows_and_columns_does_not_matter(
    rows: list[tuple[int, str, list[int]]], data: st.DataObject
) -> None:
    shuffled = table(data.draw(st.permutations(rows))).select(["c", "a", "b"])
    assert hash_tables({"x": table(rows)}) == hash_tables({"x": shuffled})


@settings(deadline=None, max_examples=50)
@given(ROWS, ROWS)
def test_other_rows_have_another_hash(
    first: list[tuple[int, str, list[int]]], second: list[tuple[int, str, list[int]]]
) -> None:
    equal = sorted(first) == sorted(second)
    assert (hash_tables({"x": table(first)}) == hash_tables({"x": table(second)})) == equal


def test_names_of_tables_and_columns_matter_but_not_what_is_left_out() -> None:
    one = table([(1, "x", [2])])
    assert hash_tables({"x": one}) != hash_tables({"y": one})
    assert hash_tables({"x": one}) != hash_tables({"x": one.rename_columns(["a", "b", "d"])})
    other = table([(5, "x", [2])])
    assert hash_tables({"x": one}, ["a"]) == hash_tables({"x": other}, ["a"])


def test_a_table_reads_back(tmp_path: Path) -> None:
    one = table([(1, "x", [2]), (2, "", [])])
    write_table(one, tmp_path, "recipes")
    assert read_table(tmp_path, "recipes") == one
