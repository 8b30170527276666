"""What an artefact is called, and the small tools that everything on disk shares."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_pipeline.uncounted import uncounted

uncounted("how an artefact is kept is no part of it")


@dataclass(frozen=True, order=True)
class Artefact:
    """One partition of one asset; `partition` is `experiment/decoding` for two dimensions, empty for none."""

    asset: str
    partition: str = ""

    def __str__(self) -> str:
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    @property
    def path(self) -> str:
        """Where it is below a directory that has all of them: `asset/experiment/decoding`."""
        return f"{self.asset}/{self.partition}" if self.partition else self.asset

    @classmethod
    def parse(cls, text: str) -> "Artefact":
        """The artefact that `str` gave this text."""
        asset, _, partition = text.removesuffix("]").partition("[")
        return cls(asset, partition)


def fsync_file(path: Path) -> None:
    """Makes what was written to a file last over a power failure; also what was renamed in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_json(value: Any) -> str:
    """SHA-256 over a canonical JSON text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
