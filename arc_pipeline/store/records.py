"""The records of a store: appended, never changed, each named by the hash of its own bytes.

`records/<asset>/<partition>/<number>-<id>.json`, and a copy of the first record of each content beside its files, from
which a lost one is restored. Stores from before that have one record beside each content and no others.
"""

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arc_pipeline.store.artefact import Artefact, fsync_file
from arc_pipeline.store.code_migration import migrated
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.uncounted import uncounted

uncounted("how an artefact is kept is no part of it")

LINEAGE = "lineage.json"
CURRENT = "current"
RECORDS = "records"
CODE = ".code"
SEAL = "sha256"
NAME = re.compile(r"(\d{4,})-([0-9a-f]{16})\.json")


class UnreadableRecord(Exception):
    """A record that is not what was written; says which file, and what is wrong with it."""


class Records:
    """All records below the directory of a store."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # paths of the many records as text: joining thousands of Path objects takes longer than reading the files
        self._base, self._contents = str(root / RECORDS), str(root)
        self._parsed: dict[str, Lineage] = {}
        self._code: dict[str, dict[str, str]] = {}

    def place(self, artefact: Artefact) -> Path:
        """The directory of an artefact's records."""
        return Path(self._place(artefact))

    def _place(self, artefact: Artefact) -> str:
        return f"{self._base}/{artefact.path}"

    def files(self, artefact: Artefact) -> list[str]:
        """The files of an artefact's records, oldest first; those of former stores come before all others."""
        own = self._own(artefact)
        lost = self._lost(artefact, own)
        return [*self._former(artefact, bool(own)), *own, *([lost] if lost else [])]

    def newest(self, artefact: Artefact) -> str | None:
        """The file of the newest record."""
        if own := self._own(artefact):
            return self._lost(artefact, own) or own[-1]
        # a former store, or one whose records are lost: those beside the contents are left
        link = self._link(artefact)
        return os.path.realpath(f"{link}/{LINEAGE}") if os.path.isfile(f"{link}/{LINEAGE}") else None

    def _lost(self, artefact: Artefact, own: Sequence[str]) -> str | None:
        """The copy of a record that is gone although the current link still names its content."""
        try:
            content = os.readlink(self._link(artefact))
            if not own or self.read(own[-1]).content == content:
                return None
            copy = self._link(artefact).removesuffix(CURRENT) + f"{content}/{LINEAGE}"
            id_ = hashlib.sha256(Path(copy).read_bytes()).hexdigest()
        except (OSError, UnreadableRecord):
            return None
        known = any(path.endswith(f"-{id_[:16]}.json") for path in own)
        return None if known or not _is_copy(_fields(Path(copy))) else copy

    def _link(self, artefact: Artefact) -> str:
        return f"{self._contents}/{artefact.path}/{CURRENT}"

    def _own(self, artefact: Artefact) -> list[str]:
        place = self._place(artefact)
        try:
            names = [name for name in os.listdir(place) if NAME.fullmatch(name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [f"{place}/{name}" for name in sorted(names, key=lambda name: (len(name), name))]

    def _former(self, artefact: Artefact, has_own: bool) -> list[str]:
        """Records beside contents that are not copies of others."""
        paths = [path for path in (self._root / artefact.path).glob(f"*/{LINEAGE}") if not path.parent.is_symlink()]
        fields = {path: _fields(path) for path in paths if not path.parent.name.startswith(".")}
        former = [path for path in fields if not (has_own and _is_copy(fields[path]))]
        made = {path: (str(fields[path].get("created_at", "")), path.stat().st_mtime_ns) for path in former}
        return [str(path) for path in sorted(former, key=made.__getitem__)]

    def read(self, path: str) -> Lineage:
        """The record in a file; UnreadableRecord if it is not what was written and no copy of it is left."""
        if path not in self._parsed:
            self._parsed[path] = self._read(Path(path))
        return self._parsed[path]

    def _read(self, path: Path) -> Lineage:
        name = NAME.fullmatch(path.name)
        written, id_ = _content(path)
        if name and not id_.startswith(name[2]):
            written, id_ = self._copy(path, name[2])
        try:
            fields = json.loads(written)
            seal = fields.pop(SEAL, None)
            if not name and seal is not None and seal != _seal(fields):
                raise ValueError("its hash is another")
            record = Lineage.model_validate(migrated(Artefact.parse(fields["artefact"]).asset, fields))
        except (ValueError, ValidationError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableRecord(f"{self._shown(path)} is no record, it was changed or cut short") from error
        record.id = id_
        record.content = record.content or path.parent.name
        if code := fields.get("definitions"):
            record.code = self._definitions(code)
        return record

    def _copy(self, path: Path, id_: str) -> tuple[bytes, str]:
        """The bytes of a damaged record from the copy beside its content, with their hash."""
        place = self._root / path.parent.relative_to(self._root / RECORDS)
        for copy in place.glob(f"*/{LINEAGE}"):
            written, sha256 = _content(copy)
            if sha256.startswith(id_):
                return written, sha256
        raise UnreadableRecord(f"{self._shown(path)} is not what was written: its SHA-256 is not the one in its name")

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._root.parent))

    def write(self, record: Lineage, copy_in: Path | None = None) -> bytes:
        """What the file of a record has, for `append`; also written beside a new content, where its name has no hash:
        so it ends with one of its own."""
        fields = record.model_dump(exclude={"code"}) | {"definitions": self._keep_definitions(record.code)}
        written = json.dumps(fields | {SEAL: _seal(fields)}, indent=1).encode()
        if copy_in is not None:
            (copy_in / LINEAGE).write_bytes(written)
        return written

    def append(self, artefact: Artefact, written: bytes) -> Lineage:
        """Adds a record after the newest one, which makes it the current one; hold `locked` meanwhile."""
        place, own = self.place(artefact), self._own(artefact)
        number = 1 + max((int(Path(path).name.split("-")[0]) for path in own), default=0)
        target = place / f"{number:04}-{hashlib.sha256(written).hexdigest()[:16]}.json"
        _write_once(target, written)
        return self.read(str(target))

    @contextmanager
    def locked(self, artefact: Artefact) -> Iterator[None]:
        """One process at a time adds records to an artefact."""
        place = self.place(artefact)
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def artefacts(self) -> Iterator[Artefact]:
        """Every artefact that has a record here, also those of former stores."""
        found = {_address(path.parent.relative_to(self._root / RECORDS)) for path in self._all()}
        former = {_address(link.parent.relative_to(self._root)) for link in self._links()}
        yield from sorted(found | former)

    def _all(self) -> Iterator[Path]:
        for directory, names, files in os.walk(self._root / RECORDS):
            names[:] = [name for name in names if name != CODE]
            yield from (Path(directory) / name for name in files if NAME.fullmatch(name))

    def _links(self) -> Iterator[Path]:
        # an asset's directory may be a link to another disk
        for directory, names, files in os.walk(self._root, followlinks=True):
            if CURRENT in [*names, *files]:
                yield Path(directory) / CURRENT
            top = Path(directory) == self._root
            names[:] = [
                name for name in names if name != CURRENT and not name.startswith(".") and not (top and name == RECORDS)
            ]

    def _keep_definitions(self, code: dict[str, str]) -> str:
        """The name under which a listing of code is kept, once for all records that have it."""
        if not code:
            return ""
        written = json.dumps(code, indent=0, sort_keys=True).encode()
        name = hashlib.sha256(written).hexdigest()[:16]
        target = self._code_place / f"{name}.json"
        if name not in self._code and not target.exists():
            self._code_place.mkdir(parents=True, exist_ok=True)
            _write_once(target, written)
        return name

    @cached_property
    def _code_place(self) -> Path:
        return self._root / RECORDS / CODE

    def _definitions(self, name: str) -> dict[str, str]:
        """The listing of that name, empty if it is lost: then changes of code are not named, but seen all the same."""
        if name not in self._code:
            try:
                written = (self._code_place / f"{name}.json").read_bytes()
            except OSError:
                return {}
            whole = hashlib.sha256(written).hexdigest().startswith(name)
            self._code[name] = json.loads(written) if whole else {}
        return self._code[name]


def _seal(fields: Mapping[str, Any]) -> str:
    """The SHA-256 of a record without its seal; those that are older have none."""
    return hashlib.sha256(json.dumps(fields, indent=1).encode()).hexdigest()


def _address(place: Path) -> Artefact:
    return Artefact(place.parts[0], "/".join(place.parts[1:]))


def _content(path: Path) -> tuple[bytes, str]:
    """The bytes of a file with their SHA-256; none if it cannot be read."""
    try:
        written = path.read_bytes()
    except OSError:
        written = b""
    return written, hashlib.sha256(written).hexdigest()


def _fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _is_copy(fields: Mapping[str, Any]) -> bool:
    """Whether what lies beside a content is a copy of a record; the records of former stores have no seals."""
    return fields.get("files") is not None


def _write_once(target: Path, written: bytes) -> None:
    """Writes a file that is there whole or not at all, and that nobody may write to afterwards."""
    descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o444)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    fsync_file(target.parent)
