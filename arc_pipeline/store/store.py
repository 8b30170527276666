"""Artefacts on disk: contents that are kept once by their version, and the records of how each came to be.

A content is written beside the others and counts from the moment that its record is there, so that a killed process
never leaves a half artefact that reads as whole. What is read is verified. Knows nothing of what artefacts contain.
"""

import filecmp
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from arc_pipeline.errors import DamagedArtefact, MissingArtefact
from arc_pipeline.store.artefact import Artefact, fsync_file
from arc_pipeline.store.lineage import FileSeal, Lineage
from arc_pipeline.store.records import CURRENT, LINEAGE, Records, UnreadableRecord
from arc_pipeline.store.verification import Verifier, files_of, sealed
from arc_pipeline.uncounted import uncounted

uncounted("how an artefact is kept is no part of it")

Seals = Mapping[str, FileSeal]


class Store:
    """All artefacts below one directory: `<asset>/<partition>/<version>/`, and their records below `records`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._records, self._verifier = Records(root), Verifier(root)

    def place(self, artefact: Artefact) -> Path:
        """The directory that holds the contents of an artefact."""
        return self.root / artefact.path

    def record(self, artefact: Artefact) -> Lineage | None:
        """The newest record, whether or not its files are still there; None without one that can be read."""
        path = self._records.newest(artefact)
        return self._readable(path) if path else None

    def lineage(self, artefact: Artefact) -> Lineage | None:
        """The record of the current version; None if there is none, or one that cannot be used (see `problem`)."""
        record = self.record(artefact)
        return None if record is None or self._problem(record, trust_memory=True) else record

    def problem(self, artefact: Artefact, deep: bool = False) -> str:
        """Why the current version cannot be used; empty if it can, or if there never was one.

        `deep` hashes all files, else those that changed since they were hashed last.
        """
        path = self._records.newest(artefact)
        try:
            record = self._records.read(path) if path else None
        except UnreadableRecord as error:
            return str(error)
        return self._problem(record, trust_memory=not deep) if record else ""

    def problem_of(self, record: Lineage) -> str:
        """What is wrong with the files of any version, every byte of which is read; empty if nothing is."""
        return self._problem(record, trust_memory=False)

    def current(self, artefact: Artefact, *files: str) -> Path:
        """The directory of the current version after its files, or those that match a pattern, were verified.

        MissingArtefact if there is none, DamagedArtefact if it is not what was written.
        """
        return self.open(self._newest(artefact), *files)

    def required(self, artefact: Artefact) -> Lineage:
        """As `lineage`, but MissingArtefact if there is none, DamagedArtefact if it is not what was written."""
        record = self._newest(artefact)
        if words := self._problem(record, trust_memory=True):
            raise DamagedArtefact(artefact, words)
        return record

    def _newest(self, artefact: Artefact) -> Lineage:
        path = self._records.newest(artefact)
        if path is None:
            raise MissingArtefact(f"{artefact} is not there yet, materialize it first")
        try:
            return self._records.read(path)
        except UnreadableRecord as error:
            raise DamagedArtefact(artefact, str(error)) from error

    def open(self, record: Lineage, *files: str) -> Path:
        """The directory of a version after its files, or those that match a pattern, were verified."""
        if words := self._problem(record, False, *files):
            raise DamagedArtefact(record.artefact, words)
        return self.content(record).resolve()

    def content(self, record: Lineage) -> Path:
        """Where the files of a version are, if they are still kept."""
        return self.place(Artefact.parse(record.artefact)) / record.content

    def _problem(self, record: Lineage, trust_memory: bool, *patterns: str) -> str:
        directory = f"{self.root}/{Artefact.parse(record.artefact).path}/{record.content}"
        files = {
            name: seal
            for name, seal in (record.files or {}).items()
            if not patterns or any(fnmatch(name, pattern) for pattern in patterns)
        }
        words = self._verifier.problem(directory, files, trust_memory)
        if not words and (files or os.path.isdir(directory)):
            return ""
        shown = os.path.relpath(directory, self.root.parent)
        return f"{shown}/{words}" if os.path.isdir(directory) else f"{shown} is missing"

    def remember_verified(self) -> None:
        """Keeps for other processes which files were found to be whole; do so after looking at many."""
        self._verifier.remember()

    def history(self, artefact: Artefact) -> list[Lineage]:
        """All records that can be read, oldest first."""
        return [record for path in self._records.files(artefact) if (record := self._readable(path))]

    def unreadable(self, artefact: Artefact) -> list[str]:
        """What is wrong with those records that cannot be read, which are no part of the history."""
        problems = []
        for path in self._records.files(artefact):
            try:
                self._records.read(path)
            except UnreadableRecord as error:
                problems.append(str(error))
        return problems

    def _readable(self, path: str) -> Lineage | None:
        try:
            return self._records.read(path)
        except UnreadableRecord:
            return None

    def find(self, artefact: Artefact, version: str) -> Lineage | None:
        """The newest record whose data version begins so, or else whose id does."""
        records = self.history(artefact)[::-1]
        fitting = [each for each in records if each.data_version.startswith(version) or each.content == version]
        return next(iter(fitting or [each for each in records if each.id.startswith(version)]), None)

    def is_kept(self, record: Lineage) -> bool:
        """Whether the files of a version are still there."""
        return self.content(record).is_dir()

    def upstream(self, record: Lineage) -> dict[Artefact, Lineage | None]:
        """The records that one was made from; None for one that is lost.

        A record of a former store names versions alone: of those of that version it is the last one from before. There
        is none if a later one overwrote it.
        """
        versions = {Artefact.parse(name): version for name, version in record.upstream.items()}
        return {artefact: self._upstream(record, artefact, version) for artefact, version in versions.items()}

    def _upstream(self, record: Lineage, artefact: Artefact, version: str) -> Lineage | None:
        history = [each for each in self.history(artefact) if each.data_version == version]
        if id_ := record.upstream_records.get(str(artefact)):
            return next((each for each in history if each.id == id_), None)
        before = [each for each in history if each.files is None and each.created_at <= record.created_at]
        return before[-1] if before else None

    def artefacts(self) -> Iterator[Artefact]:
        """Every artefact that has a record."""
        return self._records.artefacts()

    @contextmanager
    def writing(self, artefact: Artefact) -> Iterator[Path]:
        """A temporary directory beside the contents; gone afterwards unless it was committed."""
        place = self.place(artefact)
        place.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place))
        temporary.chmod(0o755)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def commit(self, temporary: Path, lineage: Lineage) -> Lineage:
        """Makes a written directory the current version, and returns its record. A content with the same files is kept.

        A content is named by the data version; where other files have the same one (a table in another order, a log of
        another training), it lies beside theirs under a number.
        """
        artefact = Artefact.parse(lineage.artefact)
        files = sealed(temporary, leave_out=[LINEAGE])
        _fsync(temporary)
        with self._records.locked(artefact):
            kept = {record.content: record.files for record in self.history(artefact)}
            target = self._target(artefact, temporary, lineage.data_version[:16], files, kept)
            record = lineage.model_copy(update={"content": target.name, "files": files})
            known = target.name in kept and target.is_dir()  # a config has no files that could be missing
            is_whole = known and not self._verifier.problem(target, files, trust_memory=False)
            written = self._records.write(record, copy_in=None if is_whole else temporary)
            if not is_whole:
                _replace(temporary, target)
            appended = self._records.append(artefact, written)
            _point(self.place(artefact) / CURRENT, target.name)
        return appended

    def append(self, record: Lineage) -> Lineage:
        """Adds a record of a content that is there already, as the current one: what is newly known of it."""
        artefact = Artefact.parse(record.artefact)
        with self._records.locked(artefact):
            appended = self._records.append(artefact, self._records.write(record))
            _point(self.place(artefact) / CURRENT, record.content)
        return appended

    def seal(self, record: Lineage) -> Lineage:
        """Adds a record that seals the files of a former store's version as they are now."""
        files = sealed(self.content(record), leave_out=[LINEAGE])
        return self.append(record.model_copy(update={"files": files}))

    def _target(
        self, artefact: Artefact, written: Path, version: str, files: Seals, kept: Mapping[str, Seals | None]
    ) -> Path:
        """Where a content belongs: the directory that has the same files, or had, or else a free one."""
        names = itertools.chain([version], (f"{version}-{number}" for number in itertools.count(2)))
        candidates = (self.place(artefact) / name for name in names)
        return next(path for path in candidates if _belongs(written, files, path, kept))


def refuse_damaged(content: Path) -> None:
    """Raises DamagedArtefact if a content is not what its record beside it says: for a process without the store."""
    if not (content / LINEAGE).is_file():
        return  # of a former store, or no artefact
    record = Lineage.model_validate_json((content / LINEAGE).read_bytes())
    if words := Verifier(content).problem(content, record.files or {}, trust_memory=False):
        raise DamagedArtefact(record.artefact, f"{content}/{words}")


def _belongs(written: Path, files: Seals, path: Path, kept: Mapping[str, Seals | None]) -> bool:
    """Whether a content may take a place: it is free, or has these files already."""
    if (seals := kept.get(path.name)) is not None:
        return seals == files
    # the content of a former store has no seals: one that is gone may have been another
    return _same_files(path, written) if path.exists() else path.name not in kept


def _same_files(a: Path, b: Path) -> bool:
    """Whether two directories have the same files with the same bytes, the record of the lineage left out."""
    names = [files_of(directory, leave_out=[LINEAGE]) for directory in (a, b)]
    return names[0] == names[1] and all(filecmp.cmp(a / name, b / name, shallow=False) for name in names[0])


def _replace(written: Path, target: Path) -> None:
    """Puts a written directory in the place of one that is damaged or was never recorded, if there is one."""
    if target.exists():
        doomed = Path(tempfile.mkdtemp(prefix=".tmp-damaged-", dir=target.parent))
        os.rename(target, doomed / target.name)
        os.rename(written, target)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        os.rename(written, target)
    fsync_file(target.parent)


def _point(link: Path, name: str) -> None:
    """The link is for people and other programs; what is current is said by the newest record."""
    fresh = link.with_name(f".{CURRENT}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    os.replace(fresh, link)
    fsync_file(link.parent)


def _fsync(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            fsync_file(path)
    fsync_file(directory)
