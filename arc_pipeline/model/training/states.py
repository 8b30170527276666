"""States of a training to resume from, each sealed by a manifest that is written last. Knows files, not what they hold.

A state that was cut short has no manifest, or another one than its files: it is skipped, and the one before is used.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import fsync_file
from arc_pipeline.store.verification import files_of, sha256_of

MANIFEST = "manifest.json"
KEPT = 3
# part of the message of torch when the disk fails
TORCH_WRITER = "PytorchStreamWriter"


def state_path(work: Path, step: int) -> Path:
    """Where the state after `step` is, as transformers names it."""
    return work / f"checkpoint-{step}"


def states(work: Path) -> list[Path]:
    """All states, intact or not, the newest first."""
    steps = [path.name.removeprefix("checkpoint-") for path in work.glob("checkpoint-*")]
    return [state_path(work, step) for step in sorted((int(step) for step in steps if step.isdigit()), reverse=True)]


def seal(state: Path) -> None:
    """Writes the manifest, once all else is on the disk."""
    manifest = {name: _fingerprint(state / name) for name in files_of(state, leave_out=[MANIFEST, f".{MANIFEST}"])}
    for name in manifest:
        fsync_file(state / name)
    temporary = state / f".{MANIFEST}"
    temporary.write_text(json.dumps(manifest, indent=1))
    fsync_file(temporary)
    os.replace(temporary, state / MANIFEST)
    fsync_file(state)


@contextmanager
def whole_or_nothing(directory: Path) -> Iterator[None]:
    """Removes what could not be written, for example on a full disk, and raises one ArcPipelineError."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and TORCH_WRITER not in str(error):
            raise  # of the computation: memory, another rank
        shutil.rmtree(directory, ignore_errors=True)
        raise ArcPipelineError(
            f"{directory} could not be written: {error}; "
            "free some disk space and start again, the training resumes from its newest complete state"
        ) from error


def problem(state: Path, by_bytes: bool = True) -> str | None:
    """Why one cannot resume from the state; None if it is intact, `by_bytes` or by the sizes of its files alone."""
    try:
        manifest = json.loads((state / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return "it was not written to its end"
    for name, fingerprint in manifest.items():
        if not (state / name).is_file():
            return f"{name} is missing"
        found = _fingerprint(state / name) if by_bytes else [(state / name).stat().st_size]
        # the manifests of former versions have only the size of a large file
        if found[: len(fingerprint)] != fingerprint[: len(found)]:
            return f"{name} is not what was written"
    return None


def newest_intact(work: Path, warn: Callable[[str], None]) -> Path | None:
    """The state to resume from; warns of every newer one that is skipped, and why."""
    for state in states(work):
        if (reason := problem(state)) is None:
            if unverified := _unverified(state):
                warn(f"{state} was sealed by a former version, which hashed no large files: {unverified} is unverified")
            return state
        warn(f"{state} is skipped, {reason}")
    return None


def _unverified(state: Path) -> str:
    """Files of an intact state of which only the size is known."""
    manifest = json.loads((state / MANIFEST).read_bytes())
    return ", ".join(name for name, fingerprint in manifest.items() if len(fingerprint) == 1)


def prune_states(work: Path, best_step: int | None) -> None:
    """Removes all states but the newest intact ones and the best."""
    # to read all of their bytes again takes longer than a step, and who resumes does
    intact = [state for state in states(work) if problem(state, by_bytes=False) is None]
    kept = {*intact[:KEPT], *([state_path(work, best_step)] if best_step else [])}
    for state in states(work):
        if state not in kept:
            shutil.rmtree(state, ignore_errors=True)


def _fingerprint(path: Path) -> list[int | str]:
    """The size and the hash: of all bytes, for one that is flipped in the weights makes another model."""
    return [path.stat().st_size, sha256_of(path)]
