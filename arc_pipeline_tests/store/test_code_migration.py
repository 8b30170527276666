"""A store that commit 6f97946 made: nothing of it is stale that was not before, and what was begun in it goes on."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.definitions import STAGES  # noqa: F401  (declares all assets)
from arc_pipeline.defs.declare import asset_code
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.code_migration import changed_code, former_version, is_former, migrated, migrations
from arc_pipeline.store.store import Store

HERE = Path(__file__).parent
SAVED = {(row["asset"], row["partition"]): row for row in json.loads((HERE / "made_by_6f97946.stale.json").read_text())}
MADE_BY_ASSET = ("tasks", "augmented_examples", "checkpoint", "predictions", "metrics", "results_table")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of that store."""
    place = tmp_path_factory.mktemp("old")
    with tarfile.open(HERE / "made_by_6f97946.tar.xz") as archive:
        archive.extractall(place, filter="data")
    return place / "data"


def command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`arc-pipeline` on that store, whose experiments name their model relative to it."""
    environment = os.environ | {"ARC_PIPELINE_DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    program = [sys.executable, "-c", "from arc_pipeline.cli.app import main; main()", *arguments]
    return subprocess.run(program, cwd=data, env=environment, capture_output=True, text=True)


def is_of_code(causes: list[str]) -> bool:
    """Whether nothing but code that was written since makes it stale."""
    return all(each.startswith("its code changed: ") or each.endswith(" is stale") for each in causes)


def test_stale_says_what_that_commit_said_and_names_only_code_that_was_written_since(data: Path) -> None:
    done = command(data, "stale", "--json")
    rows = {(row["asset"], row["partition"]): row for row in json.loads(done.stdout)}
    written_since = {
        asset for asset, each in migrations().items() if (code := asset_code(asset)) and code.version != each.version
    }
    more = {key for key, row in rows.items() if row["causes"] != SAVED.get(key, {}).get("causes")}
    assert SAVED.keys() <= rows.keys()
    if not written_since:
        assert not more
    assert all(is_of_code(rows[key]["causes"]) for key in more if key not in SAVED)


def test_records_are_read_as_if_written_now(data: Path) -> None:
    store = Store(data / "store")
    for asset in MADE_BY_ASSET:
        partition = {"tasks": "written", "results_table": ""}.get(asset, "old-fixed")
        partition += "/t0.0" if asset in {"predictions", "metrics"} else ""
        artefact = Artefact(asset, partition)
        written = json.loads((store.place(artefact) / "current" / "lineage.json").read_bytes())
        record = store.lineage(artefact)
        assert record is not None
        assert is_former(written["code"])
        assert not is_former(record.code)
        assert record.code_version == migrations()[asset].version != written["code_version"]
        assert former_version(asset, record.code_version) == written["code_version"]
        assert record.upstream == written["upstream"]


def test_other_code_of_that_time_stays_stale_and_is_named() -> None:
    known = migrations()["metrics"]
    code = dict(known.former_definitions) | {"arc_pipeline.arc.metrics:per_pair": "another"}
    record: dict[str, Any] = {"code_version": "another", "code": code}
    assert migrated("metrics", record) == record
    assert changed_code("metrics", code, known.definitions) == ["arc.metrics per_pair"]
    assert changed_code("metrics", known.definitions, code) == ["arc.metrics per_pair"]
    assert changed_code("metrics", known.former_definitions, known.definitions) == []


def test_records_of_today_are_left_alone() -> None:
    known = migrations()["metrics"]
    record: dict[str, Any] = {"code_version": known.version, "code": dict(known.definitions)}
    assert migrated("metrics", record) == record
    assert former_version("metrics", "of other code") is None


@pytest.mark.drill
def test_an_unfinished_training_and_kept_completions_of_that_time_are_used(data: Path) -> None:
    training = command(data, "refresh", "--yes", "--select", "checkpoint[old-unfinished]")
    assert training.returncode == 0, training.stderr
    assert "checkpoint-10" in training.stderr
    # code that was written since may have made it stale: weights of another machine have no completions here
    command(data, "accept", "checkpoint", "old-lora", "--reason", "trains the same on a CPU")
    predicting = command(data, "refresh", "--yes", "--select", "predictions[old-lora/t0.0]")
    assert predicting.returncode == 0, predicting.stderr
    assert "were kept from before" in predicting.stderr
