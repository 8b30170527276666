"""Code versions are looked up only where the sources are the same, byte by byte."""

import json
import shutil
from pathlib import Path

import pytest

from arc_pipeline.store import code_cache
from arc_pipeline.store.code_cache import kept_code_of
from arc_pipeline.store.code_version import Package, code_of

ENTRY = ("made.main", "entry")
SOURCE = "def entry():\n    return 1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "made" / "store").mkdir(parents=True)
    (tmp_path / "made" / "main.py").write_text(SOURCE)
    return tmp_path / "made"


def lookup(root: Path) -> str:
    """What a new process finds."""
    code_cache._kept.cache_clear()
    code = kept_code_of(*ENTRY, package=Package(root))
    assert code == code_of(*ENTRY, package=Package(root))
    return code.version


def cache_file(root: Path) -> Path:
    return root / "store" / "__pycache__" / "code_versions.json"


def test_what_is_kept_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = lookup(root)
    code_cache._kept.cache_clear()
    monkeypatch.delattr(code_cache, "code_of")
    assert kept_code_of(*ENTRY, package=Package(root)).version == version


def test_another_source_has_another_version(root: Path) -> None:
    versions = [lookup(root)]
    for source in (SOURCE.replace("1", "2"), SOURCE):
        (root / "main.py").write_text(source)
        versions.append(lookup(root))
    assert versions[0] == versions[2] != versions[1]


@pytest.mark.parametrize("damage", ["cut", "another version", "no JSON", "another shape"])
def test_a_damaged_file_counts_for_nothing(root: Path, damage: str) -> None:
    version = lookup(root)
    written = cache_file(root).read_text()
    texts = {
        "cut": written[: len(written) // 2],
        "another version": written.replace(version, "f" * len(version)),
        "no JSON": "versions",
        "another shape": json.dumps([written]),
    }
    cache_file(root).write_text(texts[damage])
    assert lookup(root) == version


def test_sources_that_are_edited_meanwhile_are_not_kept(root: Path) -> None:
    code_cache._kept.cache_clear()
    code_cache._kept(root)
    (root / "main.py").write_text(SOURCE.replace("1", "2"))
    kept_code_of(*ENTRY, package=Package(root))
    assert not cache_file(root).exists()
    (root / "main.py").write_text(SOURCE)
    lookup(root)


def test_an_installation_that_cannot_be_written_to_goes_without(root: Path) -> None:
    shutil.rmtree(root / "store")
    (root / "store").write_text("in the way")
    lookup(root)
