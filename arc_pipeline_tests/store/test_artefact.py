"""The store: a commit makes a version current, an interrupted write never reads as whole, hashes see only values."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.store.artefact import Artefact, Lineage, Store, hash_json, hash_tables, read_table, write_table

ARTEFACT = Artefact("predictions", "base/t0.1")


def lineage(version: str, run_id: str = "run") -> Lineage:
    return Lineage(artefact=str(ARTEFACT), data_version=version, code_version="code", upstream={}, run_id=run_id)


def write(store: Store, version: str, text: str, run_id: str = "run") -> Path:
    with store.writing(ARTEFACT) as temporary:
        (temporary / "data").write_text(text)
        return store.commit(temporary, lineage(version, run_id))


def visible(store: Store) -> set[str]:
    return {path.name for path in store.place(ARTEFACT).iterdir()}


@pytest.mark.parametrize("artefact", [Artefact("tasks"), Artefact("checkpoint", "base"), ARTEFACT])
def test_an_artefacts_name_reads_back(artefact: Artefact) -> None:
    assert Artefact.parse(str(artefact)) == artefact


def test_a_commit_makes_the_version_current(tmp_path: Path) -> None:
    store = Store(tmp_path)
    target = write(store, "a" * 64, "first")
    assert store.current(ARTEFACT) == target.resolve()
    assert (store.current(ARTEFACT) / "data").read_text() == "first"
    assert store.lineage(ARTEFACT) == lineage("a" * 64)
    assert visible(store) == {"current", "a" * 16}


def test_a_second_version_replaces_the_first_and_keeps_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = write(store, "a" * 64, "first")
    write(store, "b" * 64, "second")
    assert (store.current(ARTEFACT) / "data").read_text() == "second"
    assert (first / "data").read_text() == "first"
    write(store, "a" * 64, "first", run_id="again")
    assert store.current(ARTEFACT) == first.resolve()


def test_equal_data_keeps_its_files_and_gets_the_new_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    inode = (write(store, "a" * 64, "first") / "data").stat().st_ino
    write(store, "a" * 64, "first", run_id="later")
    assert (store.current(ARTEFACT) / "data").stat().st_ino == inode
    found = store.lineage(ARTEFACT)
    assert found is not None
    assert found.run_id == "later"
    assert visible(store) == {"current", "a" * 16}


def test_what_was_not_committed_is_gone_and_never_current(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(ARTEFACT) as temporary:
        (temporary / "lineage.json").write_text(lineage("a").model_dump_json())
        with pytest.raises(MissingArtefact, match=r"predictions\[base/t0.1\] is not there yet, materialize it"):
            store.current(ARTEFACT)
        assert store.lineage(ARTEFACT) is None
    assert not visible(store)


def test_a_failed_write_leaves_the_current_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, "a" * 64, "first")

    def fail() -> None:
        with store.writing(ARTEFACT) as temporary:
            (temporary / "data").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert (store.current(ARTEFACT) / "data").read_text() == "first"
    assert visible(store) == {"current", "a" * 16}


def test_leftovers_of_a_killed_process_do_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)
    half = store.place(ARTEFACT) / ("a" * 16)
    half.mkdir(parents=True)
    (half / "data").write_text("half")
    (store.place(ARTEFACT) / ".tmp-killed").mkdir()
    with pytest.raises(MissingArtefact):
        store.current(ARTEFACT)
    write(store, "a" * 64, "whole")
    assert (store.current(ARTEFACT) / "data").read_text() == "whole"


# --- tables and hashes

tables = st.lists(st.tuples(st.integers(0, 3), st.text(max_size=2), st.lists(st.integers(0, 9), max_size=2)))


def table(rows: list[tuple[int, str, list[int]]]) -> pa.Table:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.list_(pa.int8()))])
    return pa.Table.from_pylist([dict(zip("abc", row, strict=True)) for row in rows], schema)


@settings(deadline=None, max_examples=50)
@given(tables, st.data())
def test_the_order_of_rows_and_columns_does_not_matter(
    rows: list[tuple[int, str, list[int]]], data: st.DataObject
) -> None:
    shuffled = table(data.draw(st.permutations(rows))).select(["c", "a", "b"])
    assert hash_tables({"x": table(rows)}) == hash_tables({"x": shuffled})


@settings(deadline=None, max_examples=50)
@given(tables, tables)
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


def test_json_hashes_ignore_the_order_of_keys() -> None:
    assert hash_json({"a": 1, "b": [2, 3]}) == hash_json({"b": [2, 3], "a": 1})
    assert hash_json({"a": 1, "b": [2, 3]}) != hash_json({"a": 1, "b": [3, 2]})
