"""Starting weights are found on this machine and fingerprinted: hub cache, directories, GGUF files in packages."""

import os
from pathlib import Path

import pytest

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights import source
from arc_pipeline.model.weights.source import ModelSource


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model cache that holds two revisions of `org/name`, the first of which is `main`."""
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = tmp_path / "hub" / "models--org--name"
    for revision in ("aaa", "bbb"):
        (model / "snapshots" / revision).mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("aaa")
    return tmp_path / "hub"


def test_a_hub_model_is_the_snapshot_that_main_names(hub: Path) -> None:
    found = ModelSource.find("org/name")
    assert found.location == str(hub / "models--org--name" / "snapshots" / "aaa")
    assert found.version() == found.tokenizer_version() == "aaa"


def test_the_cache_directory_of_the_environment_wins(hub: Path, tmp_path: Path, monkeypatch) -> None:
    moved = hub.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("HF_HUB_CACHE", str(moved))
    assert ModelSource.find("org/name").location.startswith(str(moved))


def test_the_cache_is_in_the_home_directory_by_default(hub: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    hub.rename(tmp_path / ".cache" / "huggingface" / "hub")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ModelSource.find("org/name").revision == "aaa"


@pytest.mark.parametrize("broken", ["no model", "no main", "no snapshot"])
def test_a_model_that_is_not_cached_is_named(hub: Path, broken: str) -> None:
    main = hub / "models--org--name" / "refs" / "main"
    if broken == "no main":
        main.unlink()
    if broken == "no snapshot":
        main.write_text("ccc")
    name = "org/other" if broken == "no model" else "org/name"
    with pytest.raises(ArcPipelineError, match=f"'{name}'.*{hub}.*hf download {name}"):
        ModelSource.find(name)


def test_one_byte_changes_the_fingerprint_of_a_directory(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"abc")
    (tmp_path / "tokenizer.json").write_text("{}")
    found = ModelSource.find(str(tmp_path))
    before, tokenizer_before = found.version(), found.tokenizer_version()
    weights.write_bytes(b"abd")
    os.utime(weights, ns=(1, 1))  # the clock of a file system may be too coarse for a test
    assert found.version() != before
    assert found.tokenizer_version() == tokenizer_before


def test_files_are_read_once_until_they_change(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    source._file_hash.cache_clear()
    for _ in range(3):
        ModelSource.find(str(tmp_path)).version()
    assert source._file_hash.cache_info().misses == 1


@pytest.mark.parametrize("model", ["package:no_such_package/a.gguf", "package:no.such/a.gguf", "package:"])
def test_a_missing_package_is_named(model: str) -> None:
    with pytest.raises(ArcPipelineError, match=f"'{model}': the package '.*' is not installed"):
        ModelSource.find(model)


@pytest.mark.parametrize("model", ["package:arc_pipeline/none.gguf", "/nowhere/none.gguf"])
def test_a_missing_gguf_file_is_named(model: str) -> None:
    with pytest.raises(ArcPipelineError, match=r"there is no file .*none\.gguf"):
        ModelSource.find(model)


def test_a_gguf_file_in_a_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "weights_in_a_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "small.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    found = ModelSource.find("package:weights_in_a_package/small.gguf")
    assert (found.location, found.arguments) == (str(package), {"gguf_file": "small.gguf"})
    assert found.version() == ModelSource.find(str(package / "small.gguf")).version()
