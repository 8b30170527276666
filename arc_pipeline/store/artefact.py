"""Artefacts on disk: every version of every materialized partition, with the record of how it came to be.

A version is written beside the others and becomes the current one by a single rename, so that a killed process never
leaves a half artefact that reads as whole. Knows nothing of what the artefacts contain.
"""

import filecmp
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.store.code_migration import migrated
from arc_pipeline.uncounted import uncounted

uncounted("how an artefact is kept is no part of it")

LINEAGE = "lineage.json"
CURRENT = "current"


@dataclass(frozen=True, order=True)
class Artefact:
    """One partition of one asset; `partition` is `experiment/decoding` for two dimensions, empty for none."""

    asset: str
    partition: str = ""

    def __str__(self) -> str:
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    @classmethod
    def parse(cls, text: str) -> "Artefact":
        """The artefact that `str` gave this text."""
        asset, _, partition = text.removesuffix("]").partition("[")
        return cls(asset, partition)


class Lineage(BaseModel):
    """How one version of an artefact came to be: enough to explain it when Dagster's database is gone."""

    model_config = ConfigDict(extra="ignore")

    artefact: str
    data_version: str
    code_version: str
    code: dict[str, str] = {}
    accepted: list[dict[str, str]] = []
    upstream: dict[str, str]
    checks: dict[str, Any] = {}
    config: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    run_id: str = ""
    created_at: str = ""
    seconds: float = 0.0
    environment: dict[str, Any] = {}


class Store:
    """All artefacts below one directory: `<asset>/<partition>/<version>/`, with a link to the current version."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, artefact: Artefact) -> Path:
        """The directory that holds the versions of an artefact."""
        return self.root / artefact.asset / artefact.partition

    def current(self, artefact: Artefact) -> Path:
        """The directory of the current version; MissingArtefact if there is none."""
        path = self.place(artefact) / CURRENT
        if not (path / LINEAGE).is_file():
            raise MissingArtefact(f"{artefact} is not there yet, materialize it first")
        return path.resolve()

    def lineage(self, artefact: Artefact) -> Lineage | None:
        """The record of the current version, or None if there is none."""
        return self.read_lineage(self.place(artefact) / CURRENT)

    @staticmethod
    def read_lineage(version: Path) -> Lineage | None:
        """The record in the directory of a version, or None if there is none."""
        path = version / LINEAGE
        if not path.is_file():
            return None
        record = json.loads(path.read_bytes())
        return Lineage.model_validate(migrated(Artefact.parse(record["artefact"]).asset, record))

    def versions(self, artefact: Artefact) -> list[Path]:
        """The directories of all versions that are kept, oldest first."""
        kept = [path.parent for path in self.place(artefact).glob(f"*/{LINEAGE}") if not path.parent.is_symlink()]
        return sorted(kept, key=lambda path: path.stat().st_ctime)

    def version(self, artefact: Artefact, data_version: str) -> Path | None:
        """The directory of a version, given by the first digits of its data version: the current one if that fits."""
        link = self.place(artefact) / CURRENT
        candidates = [*reversed(self.versions(artefact)), *([link.resolve()] if link.exists() else [])]
        fitting = [path for path in candidates if path.name.startswith(data_version[:16])]
        return fitting[-1] if fitting else None

    def rewrite(self, lineage: Lineage) -> None:
        """Replaces the record of the current version."""
        record = self.current(Artefact.parse(lineage.artefact)) / LINEAGE
        fresh = record.with_suffix(".new")
        fresh.write_text(lineage.model_dump_json(indent=2))
        os.replace(fresh, record)

    @contextmanager
    def writing(self, artefact: Artefact) -> Iterator[Path]:
        """A temporary directory beside the versions; gone afterwards unless it was committed."""
        place = self.place(artefact)
        place.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place))
        temporary.chmod(0o755)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def commit(self, temporary: Path, lineage: Lineage) -> Path:
        """Makes a written directory the current version. One with the same files is kept and gets the new record.

        The directory is named by the data version; where other files have the same one (a table in another order, a
        log of another training), they lie beside it under a number.
        """
        artefact = Artefact.parse(lineage.artefact)
        record = temporary / LINEAGE
        record.write_text(lineage.model_dump_json(indent=2))
        _fsync(temporary)
        target = self._target(self.place(artefact) / lineage.data_version[:16], temporary)
        if target.exists():
            os.replace(record, target / LINEAGE)
        else:
            os.rename(temporary, target)
        self._point(self.place(artefact) / CURRENT, target.name)
        return target

    @staticmethod
    def _target(first: Path, written: Path) -> Path:
        """The first directory of that name, or with a number, that is free or has the same files."""
        names = itertools.chain([first.name], (f"{first.name}-{number}" for number in itertools.count(2)))
        candidates = (first.with_name(name) for name in names)
        return next(path for path in candidates if not path.exists() or _same_files(path, written))

    @staticmethod
    def _point(link: Path, name: str) -> None:
        fresh = link.with_name(f".{CURRENT}-{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        os.replace(fresh, link)
        fsync_directory(link.parent)


def _same_files(a: Path, b: Path) -> bool:
    """Whether two directories have the same files with the same bytes, the record of the lineage left out."""
    files = [{path.relative_to(top) for path in top.rglob("*") if path.is_file()} - {Path(LINEAGE)} for top in (a, b)]
    return files[0] == files[1] and all(filecmp.cmp(a / path, b / path, shallow=False) for path in files[0])


def _fsync(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_directory(directory)


def fsync_directory(directory: Path) -> None:
    """Makes what was renamed in a directory last over a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_json(value: Any) -> str:
    """SHA-256 over a canonical JSON text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
