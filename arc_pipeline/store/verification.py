"""Whether files are still what was committed: their sizes and SHA-256, computed once for each state of a file.

A file whose size, times and inode are those of a file that was hashed before counts as hashed, as git's index does it;
that is remembered in one file that may be lost. What a number depends on is hashed in every process that reads it.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from arc_pipeline.store.lineage import FileSeal
from arc_pipeline.uncounted import uncounted

uncounted("refuses what was damaged, changes nothing")

MEMORY = ".verified.json"
# a file that was written this short a time before it was hashed may change once more without another time stamp
UNSETTLED_NANOSECONDS = 1_000_000_000
Signature = tuple[int, int, int, int]
# what this process has hashed, whichever store it reached the file by
_READ: dict[str, tuple[Signature, str]] = {}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(directory: Path, leave_out: Iterable[str] = ()) -> list[str]:
    """The names of all files below a directory, relative to it."""
    names = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(set(names) - set(leave_out))


def sealed(directory: Path, leave_out: Iterable[str] = ()) -> dict[str, FileSeal]:
    """The seal of every file below a directory."""
    return {
        name: FileSeal(sha256=sha256_of(directory / name), size=(directory / name).stat().st_size)
        for name in files_of(directory, leave_out)
    }


class Verifier:
    """Compares files below one directory with their seals."""

    def __init__(self, root: Path) -> None:
        self._root, self._prefix = root, f"{root}/"
        self._remembered: dict[str, tuple[Signature, str]] | None = None
        self._new: dict[str, tuple[Signature, str]] = {}

    def problem(self, directory: Path | str, files: Mapping[str, FileSeal], trust_memory: bool) -> str:
        """What is wrong with the files, in words; empty if they are as they were committed.

        `trust_memory`: a file that any process has hashed and that was not touched since is not hashed again.
        """
        for name, seal in files.items():
            if words := self._problem(f"{directory}/{name}", seal, trust_memory):
                return f"{name} {words}"
        return ""

    def _problem(self, path: str, seal: FileSeal, trust_memory: bool) -> str:
        try:
            status = os.stat(path)
            if status.st_size != seal.size:
                return f"has {status.st_size} bytes, {seal.size} were written"
            signature = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            if self._sha256(path, signature, trust_memory) != seal.sha256:
                return "has other bytes than were written (its SHA-256 differs)"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return ""

    def _sha256(self, path: str, signature: Signature, trust_memory: bool) -> str:
        known = _READ.get(path)
        if known is None and trust_memory:
            known = self._memory().get(self._name(path))
        if known and known[0] == signature:
            return known[1]
        sha256 = sha256_of(Path(path))
        _READ[path] = (signature, sha256)
        if time.time_ns() - max(signature[1:3]) > UNSETTLED_NANOSECONDS:
            self._new[self._name(path)] = (signature, sha256)
        return sha256

    def _name(self, path: str) -> str:
        return path.removeprefix(self._prefix)

    def _memory(self) -> dict[str, tuple[Signature, str]]:
        if self._remembered is None:
            self._remembered = {}
            with suppress(OSError, ValueError, TypeError):
                written = json.loads((self._root / MEMORY).read_bytes())
                self._remembered = {name: (tuple(signature), sha256) for name, (signature, sha256) in written.items()}
        return self._remembered

    def remember(self) -> None:
        """Keeps what was hashed for other processes; a store that cannot be written to goes without."""
        if not self._new:
            return
        self._remembered = None
        kept = self._memory() | self._new
        temporary = self._root / f"{MEMORY}.{os.getpid()}"
        with suppress(OSError):
            temporary.write_text(json.dumps(kept))
            os.replace(temporary, self._root / MEMORY)
            self._new.clear()
