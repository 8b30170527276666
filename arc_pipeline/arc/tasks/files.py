"""Files that tasks are in: plain, compressed, or in an archive; which formats are read, and what is no file of tasks.

Knows names and bytes, not what a task looks like.
"""

import gzip
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Literal, TypeAlias

from arc_pipeline.arc.tasks.documents import read_bytes
from arc_pipeline.errors import Fault, FaultyInput

Format: TypeAlias = Literal["json", "lines", "parquet"]

FORMATS: Mapping[str, Format] = {
    ".json": "json",
    ".json.gz": "json",
    ".jsonl": "lines",
    ".jsonl.gz": "lines",
    ".ndjson": "lines",
    ".ndjson.gz": "lines",
    ".parquet": "parquet",
}
ARCHIVE = ".zip"
READABLE = f"{', '.join(FORMATS)} or a {ARCHIVE} of them"
# what stands beside data for people and file systems, and is not worth a word
SILENT = re.compile(r"\..*|__MACOSX|README.*|LICEN[CS]E.*|CITATION.*|CHANGELOG.*|.*\.(md|rst)", re.IGNORECASE)
# of a file, what is looked at to see what it is
LOOKED_AT = 1 << 16
NESTED_LIST = re.compile(rb"\[\s*\[")
KEYS_OF_TASKS = re.compile(rb'"(train|test|input|output|examples)"')


@dataclass(frozen=True)
class DataFile:
    """One file: `shown` names it in messages; `relative` is its place in its folder or archive."""

    shown: str
    path: Path
    relative: PurePosixPath
    # its name in the archive that `path` then is
    member: str = ""

    @property
    def format(self) -> Format | None:
        """How it is read, None if it is not."""
        return FORMATS.get(self._suffix)

    @property
    def stem(self) -> str:
        """Its name without the ending that says how it is read."""
        return self.relative.name.removesuffix(self.relative.name[-len(self._suffix) :] if self._suffix else "")

    @property
    def folder(self) -> str:
        """Where it is in its dataset, empty at the top."""
        parent = self.relative.parent.as_posix()
        return "" if parent == "." else parent

    @property
    def _suffix(self) -> str:
        name = self.relative.name.lower()
        return max((suffix for suffix in FORMATS if name.endswith(suffix)), key=len, default="")

    def read(self, advice: str = "put it back") -> bytes:
        """The content, unpacked; FaultyInput if it cannot be read."""
        if not self.member and not self._packed:
            return read_bytes(self.shown, self.path, advice)
        with self.opened(advice) as opened:
            return opened.read()

    def start(self) -> bytes:
        """What it begins with, unpacked; nothing of a file that cannot be read."""
        try:
            with self.opened() as opened:
                return opened.read(LOOKED_AT)
        except FaultyInput:
            return b""

    @contextmanager
    def opened(self, advice: str = "put it back") -> Iterator[IO[bytes]]:
        """The content as a stream, unpacked; FaultyInput if it cannot be read."""
        try:
            with self._raw() as raw:
                yield gzip.GzipFile(fileobj=raw) if self._packed else raw  # type: ignore[misc]
        except FileNotFoundError as error:
            raise FaultyInput([Fault(self.shown, "", f"the file is missing: {advice}")]) from error
        except (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
            raise FaultyInput([Fault(self.shown, "", "the file cannot be read", _words(error))]) from error

    @property
    def _packed(self) -> bool:
        return self.relative.name.lower().endswith(".gz")

    @contextmanager
    def _raw(self) -> Iterator[IO[bytes]]:
        if not self.member:
            with self.path.open("rb") as opened:
                yield opened
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as opened:
            # Parquet is read from its end
            yield io.BytesIO(opened.read()) if self.format == "parquet" else opened

    def why_no_tasks(self, beside_others: bool = False) -> str:
        """Why it is not read; empty if it is. Beside other files one may only describe them."""
        if self.format is None:
            return f"not a format of tasks, which are {READABLE}"
        if self.format != "json":
            return ""
        start = self.start()
        if b'"attempt_1"' in start and not KEYS_OF_TASKS.search(start):
            return "a submission, which has answers and no tasks; score it with: arc-pipeline score"
        return "has no grid in it" if beside_others and _only_describes(start) else ""


def _only_describes(start: bytes) -> bool:
    """Whether a JSON object has no sign of a grid or of a task; what is broken or long is left to the reader."""
    if len(start) == LOOKED_AT or NESTED_LIST.search(start) or KEYS_OF_TASKS.search(start):
        return False
    try:
        document = json.loads(start)
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document) and not NESTED_LIST.search(json.dumps(document).encode())


@dataclass(frozen=True)
class FileTree:
    """A file of `raw/`, a folder or an archive: the files in it, and the paths whose bytes are its content."""

    shown: str
    name: str
    files: tuple[DataFile, ...]
    # of an archive the archive itself
    archive: Path | None = None
    unread: tuple[Fault, ...] = field(default=())

    @property
    def is_file(self) -> bool:
        """Whether it is a single file, neither a folder nor an archive."""
        return self.archive is None and not self.shown.endswith("/")

    def bytes_of(self, files: Mapping[str, DataFile]) -> dict[str, Path]:
        """The paths to hash for some of its files, by the name that messages show."""
        return {self.shown: self.archive} if self.archive else {name: file.path for name, file in files.items()}


def file_trees(raw: Path) -> Iterator[FileTree]:
    """What `raw/` holds, one for each folder, archive and file, also those of which nothing can be read."""
    for path in sorted(raw.iterdir()) if raw.is_dir() else ():
        if SILENT.fullmatch(path.name):
            continue
        shown = f"raw/{path.name}"
        if path.is_dir():
            yield FileTree(f"{shown}/", path.name, tuple(_below(path)))
        elif path.suffix.lower() == ARCHIVE:
            yield _archive(shown, path)
        else:
            file = DataFile(shown, path, PurePosixPath(path.name))
            yield FileTree(shown, file.stem, (file,))


def _below(folder: Path) -> Iterator[DataFile]:
    for path in sorted(folder.rglob("*")):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and not any(map(SILENT.fullmatch, relative.parts)):
            yield DataFile(f"raw/{folder.name}/{relative}", path, relative)


def _archive(shown: str, path: Path) -> FileTree:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except (OSError, zipfile.BadZipFile) as error:
        fault = Fault(shown, "", "the archive cannot be read", _words(error))
        return FileTree(shown, path.stem, (), path, (fault,))
    places = ((member, PurePosixPath(member)) for member in members)
    return FileTree(
        shown,
        path.stem,
        tuple(
            DataFile(f"{shown}/{member}", path, relative, member)
            for member, relative in places
            if not any(map(SILENT.fullmatch, relative.parts))
        ),
        path,
    )


def file_hash(shown: str, path: Path, advice: str = "put it back") -> str:
    """SHA-256 of a file's bytes, however large it is; FaultyInput if it cannot be read."""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise FaultyInput([Fault(shown, "", f"the file is missing: {advice}")]) from error
    except OSError as error:
        raise FaultyInput([Fault(shown, "", "the file cannot be read", _words(error))]) from error


def _words(error: Exception) -> str:
    return (error.strerror or repr(error)) if isinstance(error, OSError) else str(error) or repr(error)
