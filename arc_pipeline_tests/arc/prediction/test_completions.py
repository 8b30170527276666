"""Shards of completions on real disks: what was added is there again, and nothing else ever is."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.prediction import completions
from arc_pipeline.arc.prediction.completions import Completion, Shards, completion_key

ABOUT = {"weights": "a", "code": "1", "settings": {"grid_encoder": "plain"}}
FIRST, SECOND = Completion("1 2\n", -0.1, 4), Completion("", -1e-17, 0, "prompt too long for the model")


def shards(place: Path, said: list[str] | None = None, **changes: object) -> Shards:
    return Shards(place, ABOUT | changes, (said if said is not None else []).append)


def add(to: Shards, **found: Completion) -> None:
    with to.adding() as keep:
        for key, completion in found.items():
            keep(key, completion)


def test_what_was_added_is_read_again_by_anyone_who_asks_the_same(tmp_path: Path) -> None:
    add(shards(tmp_path), a=FIRST, b=SECOND)
    add(shards(tmp_path), c=FIRST, a=SECOND)
    again = shards(tmp_path)
    assert again.keys() == {"a", "b", "c"}
    assert {key: kept.completion for key, kept in again.read({"a", "b", "d"}).items()} == {"a": FIRST, "b": SECOND}
    assert not list(again.directory.glob(".tmp*"))


@pytest.mark.parametrize("change", [{"weights": "b"}, {"code": "2"}, {"settings": {"grid_encoder": "other"}}])
def test_other_weights_code_or_settings_share_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    add(shards(tmp_path), a=FIRST)
    other, said = shards(tmp_path, **change), list[str]()
    assert other.keys() == set()
    shutil.copytree(shards(tmp_path).directory, other.directory)  # not even if somebody puts it there
    other = shards(tmp_path, said, **change)
    assert (other.keys(), other.read({"a"})) == (set(), {})
    assert len(said) == 1
    assert "it holds something else" in said[0]


def test_a_shard_that_is_not_whole_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    for key in "abc":
        add(shards(tmp_path), **{key: FIRST})
    first, second, _ = sorted(shards(tmp_path).directory.iterdir())
    first.write_bytes(first.read_bytes()[:-20])
    flipped = bytearray(second.read_bytes())
    flipped[flipped.index(b"1 2\n")] ^= 1
    second.write_bytes(flipped)
    said = list[str]()
    again = shards(tmp_path, said)
    assert again.keys() == set(again.read({"a", "b", "c"})) == {"c"}
    assert [each.split(" is skipped")[0] for each in said] == [str(first), str(second)]


def test_a_completion_is_on_disk_soon_while_the_next_is_still_computed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(completions, "SHARD_SECONDS", 0.05)
    to, deadline = shards(tmp_path), time.monotonic() + 30
    with to.adding() as keep:
        keep("a", FIRST)
        while not to.keys():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        keep("b", FIRST)
    assert to.keys() == {"a", "b"}
    assert len(list(to.directory.iterdir())) == 2


def test_a_shard_that_is_being_written_is_not_there_yet_and_nobody_is_warned(tmp_path: Path, monkeypatch) -> None:
    said, seen, replace = list[str](), list[tuple[set[str], bool]](), os.replace

    def looked_at(temporary: Path, path: Path) -> None:
        seen.append((shards(tmp_path, said).keys(), temporary.exists()))
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", looked_at)
    add(shards(tmp_path), a=FIRST)
    assert (seen, said) == ([(set(), True)], [])
    assert shards(tmp_path).keys() == {"a"}


def test_an_error_loses_nothing(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), shards(tmp_path).adding() as keep:
        keep("a", FIRST)
        raise KeyboardInterrupt
    assert shards(tmp_path).keys() == {"a"}


def test_a_disk_that_cannot_be_written_ends_the_run_that_adds(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(completions, "SHARD_SECONDS", 0.01)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        add_for_long(shards(tmp_path / "file"))


def add_for_long(to: Shards) -> None:
    with to.adding() as keep:
        for _ in range(3000):
            keep("a", FIRST)
            time.sleep(0.01)
    raise AssertionError("nothing was noticed")


asks = st.tuples(st.text("ab ", max_size=3), st.integers(0, 2), st.sampled_from([0.0, 0.1, 1.0]))


@given(asks, asks)
def test_a_key_stands_for_the_prompt_and_the_randomness_if_there_is_any(one: tuple, other: tuple) -> None:
    same = one == other or (one[0] == other[0] and one[2] == other[2] == 0)
    assert (completion_key(*one) == completion_key(*other)) == same
    assert completion_key(*one, "a/1") != completion_key(*one, "b/1") != completion_key(*one)
