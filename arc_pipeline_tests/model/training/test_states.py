"""States to resume from: what was cut short is never used, what is whole is kept."""

import json
from pathlib import Path

import pytest

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.states import (
    KEPT,
    newest_intact,
    problem,
    prune_states,
    seal,
    state_path,
    states,
    whole_or_nothing,
)


def a_state(work: Path, step: int) -> Path:
    """Two files and their manifest."""
    state = state_path(work, step)
    state.mkdir()
    (state / "small").write_bytes(b"small")
    (state / "large").write_bytes(bytes((1 << 20) + 1))
    seal(state)
    return state


def test_the_newest_intact_state_is_used_and_each_skipped_one_is_named(tmp_path: Path) -> None:
    oldest, flipped, cut, changed, unsealed, gone = (a_state(tmp_path, step) for step in (7, 8, 9, 10, 11, 12))
    (flipped / "large").write_bytes(bytes(1 << 20) + b"\x01")
    (cut / "large").write_bytes(bytes(1 << 20))
    (changed / "small").write_bytes(b"smell")
    (unsealed / "manifest.json").unlink()
    (gone / "large").unlink()
    said: list[str] = []
    assert newest_intact(tmp_path, said.append) == oldest
    assert said == [
        f"{gone} is skipped, large is missing",
        f"{unsealed} is skipped, it was not written to its end",
        f"{changed} is skipped, small is not what was written",
        f"{cut} is skipped, large is not what was written",
        f"{flipped} is skipped, large is not what was written",
    ]


def test_a_state_of_a_former_version_is_used_and_said_to_be_unverified(tmp_path: Path) -> None:
    state = a_state(tmp_path, 1)
    manifest = json.loads((state / "manifest.json").read_bytes())
    (state / "manifest.json").write_text(json.dumps(manifest | {"large": manifest["large"][:1]}))
    said: list[str] = []
    assert newest_intact(tmp_path, said.append) == state
    assert [line.split(": ")[1] for line in said] == ["large is unverified"]
    (state / "large").write_bytes(b"short")
    assert newest_intact(tmp_path, said.append) is None


def test_without_a_state_the_training_begins_anew(tmp_path: Path) -> None:
    assert newest_intact(tmp_path / "missing", print) is None


def test_the_newest_three_and_the_best_are_kept(tmp_path: Path) -> None:
    made = [a_state(tmp_path, step) for step in (1, 2, 3, 4, 5, 10)]
    (made[-1] / "small").unlink()
    prune_states(tmp_path, best_step=1)
    assert states(tmp_path) == [*reversed(made[-1 - KEPT : -1]), made[0]]


def test_a_manifest_cut_short_is_a_problem(tmp_path: Path) -> None:
    state = a_state(tmp_path, 1)
    assert problem(state) is None
    (state / "manifest.json").write_text("{")
    assert problem(state) == "it was not written to its end"


def fail_to_write(state: Path) -> None:
    """Writes half a state on a disk that is full."""
    with whole_or_nothing(state):
        state.mkdir()
        raise OSError(28, "No space left on device")


def test_an_error_of_the_computation_is_not_one_of_the_disk(tmp_path: Path) -> None:
    state = state_path(tmp_path, 1)
    with pytest.raises(RuntimeError, match=r"^CUDA out of memory$"), whole_or_nothing(state):
        raise RuntimeError("CUDA out of memory")
    writer = "[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/7: write failed"
    with pytest.raises(ArcPipelineError, match=f"{state} could not be written: "), whole_or_nothing(state):
        raise RuntimeError(writer)


def test_what_cannot_be_written_leaves_the_states_before(tmp_path: Path) -> None:
    before, failing = a_state(tmp_path, 1), state_path(tmp_path, 2)
    with pytest.raises(ArcPipelineError, match=f"{failing} could not be written: .*No space"):
        fail_to_write(failing)
    assert states(tmp_path) == [before]
    assert problem(before) is None
