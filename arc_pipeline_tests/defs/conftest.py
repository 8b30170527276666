"""A project in a temporary directory, with one dataset of two small tasks and experiments that train in seconds."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

DATASET = {"pairs": [([[1, 2]], [[2, 1]]), ([[3, 4]], [[4, 3]]), ([[5, 6]], [[6, 5]])]}
EXPERIMENT = {
    "model": "tiny",
    "train": [{"dataset": "mirror"}],
    "augmentation": {"geometric": False, "colours": False},
    "max_steps": 8,
    "batch_size": 8,
    "max_seq_len": 256,
    "predict": {"datasets": ["mirror"], "predictions": 2},
}


def write_tasks(data: Path) -> None:
    """Two tasks that mirror their input."""
    pairs = [{"input": a, "output": b} for a, b in DATASET["pairs"]]
    tasks = {name: {"train": pairs[:2], "test": pairs[2:]} for name in ("aa", "bb")}
    (data / "raw" / "mirror.json").write_text(json.dumps(tasks))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A data directory of its own; `write()` an experiment, then `load()` the code location from it anew."""
    for name in ("raw", "experiments"):
        (tmp_path / name).mkdir()
    (tmp_path / "datasets.yaml").write_text("{}")
    write_tasks(tmp_path)
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    monkeypatch.setattr("arc_pipeline.arc.prediction.DECODINGS", {"t0.0": 0.0, "t1.0": 1.0})

    def write(name: str, **changes: object) -> None:
        (tmp_path / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))

    def load():
        for name in list(sys.modules):
            if name.startswith("arc_pipeline.def"):
                del sys.modules[name]
        importlib.import_module("arc_pipeline.defs.instance").prepare()
        defs = importlib.import_module("arc_pipeline.definitions").defs
        return importlib.import_module("arc_pipeline.defs.session").Session(defs)

    return SimpleNamespace(data=tmp_path, write=write, load=load)


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Waits until a function returns something true, and returns that; a failure after a generous limit."""

    def wait(look: Callable[[], object], seconds: float = 120) -> object:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)
        return found

    return wait


@pytest.fixture
def processes_of() -> Callable[[Path], set[int]]:
    """The processes whose command line names a path."""

    def find(path: Path) -> set[int]:
        found = set()
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(path).encode() in command.read_bytes():
                    found.add(int(command.parent.name))
            except OSError:  # it ended meanwhile
                continue
        return found

    return find
