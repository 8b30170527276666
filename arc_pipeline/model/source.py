"""Where starting weights come from: `tiny`, a directory, a GGUF file in an installed package, or a hub id.

Finds and fingerprints files; imports neither torch nor transformers.
"""

import hashlib
import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from arc_pipeline.arc.errors import ArcPipelineError

TINY = "tiny"
GGUF_PREFIX = "package:"


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
            return cls(str(path), {}, tuple(sorted(each for each in path.rglob("*") if each.is_file())))
        return cls._hub(model)

    @classmethod
    def _gguf(cls, path: Path, model: str) -> "ModelSource":
        if not path.is_file():
            raise ArcPipelineError(f"model {model!r}: there is no file {path}")
        return cls(str(path.parent), {"gguf_file": path.name}, (path,))

    @classmethod
    def _hub(cls, model: str) -> "ModelSource":
        home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
        snapshots = sorted((home / "hub" / f"models--{model.replace('/', '--')}" / "snapshots").glob("*"))
        if not snapshots:
            raise ArcPipelineError(
                f"model {model!r} is neither `tiny`, nor a directory, nor a .gguf file, nor in the local model cache; "
                f"put its weights into a directory and name that, or download it first: hf download {model}"
            )
        return cls(str(snapshots[-1]), {}, (), snapshots[-1].name)

    def version(self) -> str:
        """SHA-256 over the files, or the revision of a hub snapshot."""
        return self.revision or _hash_files(self.files)

    def tokenizer_version(self) -> str:
        """The version of the tokenizer alone where it has files of its own."""
        own = tuple(each for each in self.files if "token" in each.name or each.name in {"vocab.json", "merges.txt"})
        return self.revision or _hash_files(own or self.files)


def _file_in_package(model: str) -> Path:
    package, _, inside = model.removeprefix(GGUF_PREFIX).partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ArcPipelineError(f"model {model!r}: the package {package!r} is not installed")
    return Path(spec.submodule_search_locations[0]) / inside


def _hash_files(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
