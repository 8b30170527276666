"""The store: a commit makes a version current, an interrupted write never reads as whole, and what hashes ignore."""

from pathlib import Path

import pytest

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.store.artefact import Artefact, Lineage, Store, hash_json

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


def test_json_hashes_ignore_the_order_of_keys() -> None:
    assert hash_json({"a": 1, "b": [2, 3]}) == hash_json({"b": [2, 3], "a": 1})
    assert hash_json({"a": 1, "b": [2, 3]}) != hash_json({"a": 1, "b": [3, 2]})
