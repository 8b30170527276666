"""The store: a commit makes a version current, an interrupted write never reads as whole, and what hashes ignore."""

import errno
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.errors import DamagedArtefact, MissingArtefact
from arc_pipeline.store.artefact import Artefact, hash_json
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store

ARTEFACT = Artefact("predictions", "base/t0.1")


def lineage(version: str, run_id: str = "run") -> Lineage:
    return Lineage(artefact=str(ARTEFACT), data_version=version, code_version="code", upstream={}, run_id=run_id)


def write(store: Store, version: str, text: str, run_id: str = "run") -> Path:
    with store.writing(ARTEFACT) as temporary:
        (temporary / "data").write_text(text)
        return store.content(store.commit(temporary, lineage(version, run_id)))


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
    found = store.lineage(ARTEFACT)
    assert found is not None
    assert found.model_dump(exclude={"content", "files"}) == lineage("a" * 64).model_dump(exclude={"content", "files"})
    assert found.content == "a" * 16
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


def damage(path: Path) -> None:
    """Flips one bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "one bit": damage,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": Path.unlink,
    "a directory": lambda path: path.rename(path.with_name(f"{path.name}.moved")) and path.mkdir(),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_not_what_was_written_counts_as_missing_with_the_cause_and_is_healed(how: str, tmp_path: Path) -> None:
    first = write(Store(tmp_path), "a" * 64, "first")
    DAMAGES[how](first / "data")
    store = Store(tmp_path)
    assert "data" in store.problem(ARTEFACT)
    assert store.lineage(ARTEFACT) is None
    with pytest.raises(DamagedArtefact, match=r"predictions\[base/t0.1\] cannot be used: .*data "):
        store.current(ARTEFACT)
    assert write(store, "a" * 64, "first", run_id="again") == first
    assert store.problem(ARTEFACT) == ""
    assert [record.run_id for record in Store(tmp_path).history(ARTEFACT)] == ["run", "again"]
    assert all(store.open(record) == first.resolve() for record in store.history(ARTEFACT))


def test_a_bit_that_rots_unseen_by_the_file_system_is_seen_by_the_next_process_that_reads(tmp_path: Path) -> None:
    path = write(Store(tmp_path), "a" * 64, "first") / "data"
    os.utime(path, ns=(1, 1))
    before = path.stat()
    assert Store(tmp_path).current(ARTEFACT)
    path.write_text("fIrst")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DamagedArtefact, match="SHA-256"):
        Store(tmp_path).current(ARTEFACT)


def test_only_the_named_files_are_verified(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(ARTEFACT) as temporary:
        (temporary / "data").write_text("first")
        (temporary / "log").write_text("log")
        target = store.content(store.commit(temporary, lineage("a" * 64)))
    damage(target / "data")
    assert store.current(ARTEFACT, "l*") == target.resolve()
    with pytest.raises(DamagedArtefact):
        store.current(ARTEFACT)


def test_what_was_found_whole_is_not_hashed_again_until_it_is_touched(tmp_path: Path) -> None:
    path = write(Store(tmp_path), "a" * 64, "first") / "data"
    store = Store(tmp_path)
    assert store.lineage(ARTEFACT)
    store.remember_verified()
    damage(path)
    assert Store(tmp_path).lineage(ARTEFACT) is None


def id_of(record: Lineage | None) -> str:
    return record.id if record else ""


def test_the_newest_record_that_was_deleted_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, "a" * 64, "first")
    write(store, "b" * 64, "second", run_id="newest")
    ids = [record.id for record in store.history(ARTEFACT)]
    next((tmp_path / "records" / "predictions" / "base" / "t0.1").glob("0002-*")).unlink()
    fresh = Store(tmp_path)
    assert id_of(fresh.record(ARTEFACT)) == ids[-1]
    assert [record.id for record in fresh.history(ARTEFACT)] == ids


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_record_is_read_from_its_copy(how: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, "a" * 64, "first")
    written = store.record(ARTEFACT)
    (path,) = (tmp_path / "records" / "predictions" / "base" / "t0.1").iterdir()
    DAMAGES[how](path)
    fresh = Store(tmp_path)
    assert id_of(fresh.record(ARTEFACT)) == id_of(written)
    assert fresh.problem(ARTEFACT) == ""


def test_a_record_that_is_lost_for_good_names_its_file_and_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    target = write(store, "a" * 64, "first")
    (path,) = (tmp_path / "records" / "predictions" / "base" / "t0.1").iterdir()
    damage(path)
    damage(target / "lineage.json")
    fresh = Store(tmp_path)
    assert path.name in fresh.problem(ARTEFACT)
    assert fresh.lineage(ARTEFACT) is None
    assert fresh.history(ARTEFACT) == []
    with pytest.raises(DamagedArtefact, match=path.name):
        fresh.current(ARTEFACT)
    write(fresh, "a" * 64, "first", run_id="again")
    assert [record.run_id for record in fresh.history(ARTEFACT)] == ["again"]


def test_records_are_never_changed_and_name_the_records_that_they_were_made_from(tmp_path: Path) -> None:
    store, below = Store(tmp_path), Artefact("metrics", "base/t0.1")
    write(store, "a" * 64, "first")
    first = store.record(ARTEFACT)
    assert first is not None
    with store.writing(below) as temporary:
        made_from = {"upstream": {str(ARTEFACT): first.data_version}, "upstream_records": {str(ARTEFACT): first.id}}
        made = store.commit(temporary, lineage("m" * 64).model_copy(update={"artefact": str(below), **made_from}))
    before = {path: path.read_bytes() for path in (tmp_path / "records").rglob("*.json")}
    write(store, "b" * 64, "second")
    write(store, "a" * 64, "first", run_id="again")
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(store.history(ARTEFACT)) == 3
    assert Store(tmp_path).upstream(made) == {ARTEFACT: first}


def test_the_name_of_a_pruned_content_goes_only_to_the_same_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shutil.rmtree(write(store, "a" * 64, "first"))
    other = write(store, "a" * 64, "the same values in another file")
    assert other.name == "a" * 16 + "-2"
    assert write(store, "a" * 64, "first").name == "a" * 16


def test_without_any_records_those_beside_the_contents_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, "a" * 64, "first")
    newest = store.record(ARTEFACT)
    shutil.rmtree(tmp_path / "records")
    assert id_of(Store(tmp_path).record(ARTEFACT)) == id_of(newest)
    assert list(Store(tmp_path).artefacts()) == [ARTEFACT]


def interrupted(act: Callable[[], object], after: int, how: Callable[[], object]) -> bool:
    """Acts in a process of its own, and does `how` before its write number `after` to the file system; False if it
    ended before."""
    child = os.fork()
    if child == 0:
        calls = itertools.count()

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR) if event == "open" else event.startswith("os.")
            if writes and next(calls) == after:
                how()

        sys.addaudithook(hook)
        code = 2
        try:
            act()
            code = int(next(calls) > after)
        except OSError:
            code = 1
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) in (0, 1, -signal.SIGKILL)
    return status != 0


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


BEFORE = {
    "nothing": [],
    "another content": ["a"],
    "the same content": ["b"],
    "both": ["b", "a"],
    "a damaged one": ["b!"],
}


@pytest.mark.parametrize("how", [kill, fill_disk])
@pytest.mark.parametrize("before", BEFORE)
def test_a_commit_that_ends_at_any_write_leaves_the_old_version_or_the_new_one(
    before: str, how: Callable[[], object], tmp_path: Path
) -> None:
    for after in itertools.count():
        root = tmp_path / str(after)
        for step in BEFORE[before]:
            content = write(Store(root), step[0] * 64, step[0])
            if step.endswith("!"):
                damage(content / "data")
        records = {path: path.read_bytes() for path in (root / "records").rglob("*.json")}
        former = BEFORE[before][-1] if BEFORE[before] else ""

        def commit(root: Path = root) -> None:
            write(Store(root), "b" * 64, "b", run_id="again")

        was_interrupted = interrupted(commit, after, how)

        store = Store(root)
        assert {path: path.read_bytes() for path in records} == records
        found = store.lineage(ARTEFACT)
        if found is None:
            assert former in ("", "b!")
        else:
            text = (store.open(found) / "data").read_text()
            assert text == found.data_version[0] == ("b" if found.run_id == "again" else former[:1])
        if not was_interrupted:
            assert found is not None
            assert found.run_id == "again"
            break
        commit()
        assert (Store(root).current(ARTEFACT) / "data").read_text() == "b"
        assert [record.data_version for record in Store(root).history(ARTEFACT)][-1] == "b" * 64
    assert after > 10
