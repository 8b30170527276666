"""Code versions that were computed before from the same sources, kept where Python keeps what it compiled.

They are a function of the sources alone. The file names the hash of all of them and of its own content, and counts
for nothing if either differs; it may be deleted at any time.
"""

import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from arc_pipeline.store.code_version import THIS_PACKAGE, Code, Package, code_of
from arc_pipeline.store.tables import write_whole
from arc_pipeline.uncounted import uncounted

uncounted("the same versions, sooner")


def kept_code_of(module: str, function: str, asset: str = "", package: Package = THIS_PACKAGE) -> Code:
    """As `code_of`, looked up where it was computed before from the same sources by the same Python."""
    sources, kept = _kept(package.root)
    name = f"{module}:{function}:{asset}"
    if name not in kept:
        code = code_of(module, function, asset, package)
        kept[name] = {"version": code.version, "definitions": code.definitions}
        _keep(package.root, sources, kept)
    return Code(kept[name]["version"], dict(kept[name]["definitions"]))


@cache
def _kept(root: Path) -> tuple[str, dict[str, Any]]:
    """(hash of the sources as this process finds them, what is kept of them)"""
    sources = sources_hash(root)
    with suppress(OSError, ValueError, KeyError, TypeError):
        written = json.loads(_place(root).read_bytes())
        if written["sources"] == sources and written["sha256"] == _hash(written["versions"]):
            return sources, dict(written["versions"])
    return sources, {}


def _keep(root: Path, sources: str, versions: dict[str, Any]) -> None:
    if sources_hash(root) != sources:
        return  # somebody edits them meanwhile
    written = {"sources": sources, "sha256": _hash(versions), "versions": versions}
    with suppress(OSError):  # an installation that cannot be written to goes without
        _place(root).parent.mkdir(exist_ok=True)
        write_whole(json.dumps(written).encode(), _place(root))


def sources_hash(root: Path) -> str:
    """SHA-256 over the names and bytes of all sources, and the version of Python that reads them."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(root.rglob("*.py")):
        source = path.read_bytes()
        digest.update(json.dumps([path.relative_to(root).as_posix(), len(source)]).encode() + source)
    return digest.hexdigest()


def _place(root: Path) -> Path:
    return root / "store" / "__pycache__" / "code_versions.json"


def _hash(versions: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()
