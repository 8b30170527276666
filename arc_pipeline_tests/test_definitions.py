"""Definitions are built from the files of a project as they are then: any number of projects, any number of times."""

import json
from pathlib import Path

import dagster as dg
import pytest
import yaml

from arc_pipeline.definitions import build_definitions, defs
from arc_pipeline.project import Project

FIELDS = {"train": [{"dataset": "mirror"}], "max_steps": 1, "batch_size": 1, "max_seq_len": 64}


def write_experiment(data: Path, name: str) -> None:
    """A project with one dataset, and one experiment more."""
    (data / "experiments").mkdir(parents=True, exist_ok=True)
    (data / "raw").mkdir(exist_ok=True)
    (data / "datasets.yaml").write_text("{}")
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    (data / "raw" / "mirror.json").write_text(json.dumps({"a": {"train": [pair], "test": [pair]}}))
    fields = FIELDS | {"model": "tiny", "predict": {"datasets": ["mirror"]}}
    (data / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(fields))


def partitions_of(definitions: dg.Definitions, asset: str) -> list[str]:
    """The partitions of an asset."""
    partitions = definitions.resolve_asset_graph().get(dg.AssetKey(asset)).partitions_def
    assert partitions is not None
    return list(partitions.get_partition_keys())


def test_each_project_has_its_own_and_a_reload_sees_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment(tmp_path / "one", "first")
    write_experiment(tmp_path / "two", "other")
    assert partitions_of(build_definitions(Project(tmp_path / "one")), "checkpoint") == ["first"]
    assert partitions_of(build_definitions(Project(tmp_path / "two")), "checkpoint") == ["other"]
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path / "one"))
    assert partitions_of(defs(), "tasks") == ["mirror"]
    write_experiment(tmp_path / "one", "second")
    assert partitions_of(defs(), "checkpoint") == ["first", "second"]
    job = defs().resolve_job_def("training_job")
    assert job.partitions_def is not None
    assert list(job.partitions_def.get_partition_keys()) == ["first", "second"]
