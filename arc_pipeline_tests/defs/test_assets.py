"""The real graph on a real instance, with a training of a few steps: lineage, checks, staleness."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ASSETS = {
    *("arc_source", "tasks", "augmentation_config", "training_config", "prediction_config", "initial_weights"),
    *("augmented_examples", "checkpoint", "predictions", "attempts", "metrics", "experiment_summary"),
    *("results_table", "temperature_table", "duration_table", "failures", "prompt_samples"),
}
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


def write_experiment(data: Path, name: str, **changes: object) -> None:
    """Writes the YAML of a small experiment."""
    (data / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))


def write_tasks(data: Path) -> None:
    """Two tasks that mirror their input."""
    pairs = [{"input": a, "output": b} for a, b in DATASET["pairs"]]
    tasks = {name: {"train": pairs[:2], "test": pairs[2:]} for name in ("aa", "bb")}
    (data / "raw" / "mirror.json").write_text(json.dumps(tasks))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A data directory of its own, and `load()`, which loads the code location from it anew."""
    for name in ("raw", "experiments"):
        (tmp_path / name).mkdir()
    (tmp_path / "datasets.yaml").write_text("{}")
    write_tasks(tmp_path)
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))

    def load():
        for name in list(sys.modules):
            if name.startswith("arc_pipeline.def"):
                del sys.modules[name]
        importlib.import_module("arc_pipeline.defs.instance").prepare()
        defs = importlib.import_module("arc_pipeline.definitions").defs
        return importlib.import_module("arc_pipeline.defs.session").Session(defs)

    return SimpleNamespace(data=tmp_path, load=load)


def names(statuses) -> set[str]:
    return {str(each.node.artefact) for each in statuses}


def test_the_graph_has_all_assets(project: SimpleNamespace) -> None:
    write_experiment(project.data, "one")
    keys = project.load().definitions.resolve_asset_graph().get_all_asset_keys()
    assert {key.to_user_string() for key in keys} == ASSETS


def test_everything_is_made_once_and_a_prediction_setting_leaves_the_checkpoint(project: SimpleNamespace) -> None:
    write_experiment(project.data, "one")
    session = project.load()
    outcomes = session.refresh([])
    assert not [outcome.failed for outcome in outcomes if outcome.failed]
    assert session.plan() == []
    assert session.refresh([]) == []

    write_experiment(project.data, "one", predict={"datasets": ["mirror"], "predictions": 3})
    stale = names(project.load().plan())
    assert not {name for name in stale if name.startswith(("checkpoint", "augmented", "tasks", "training", "initial"))}
    assert {"prediction_config[one]", "predictions[one/t0.0]", "metrics[one/t1.0]", "results_table"} <= stale


def test_the_bug_is_stopped_before_training(project: SimpleNamespace) -> None:
    changed = {"geometric": False, "colours": False, "target": "legacy-swap"}
    write_experiment(project.data, "bug", augmentation=changed, max_steps=40)
    session = project.load()
    outcomes = session.refresh([])
    made = {str(node.artefact) for outcome in outcomes for node in outcome.made}
    assert "augmented_examples[bug]" in made
    assert "checkpoint[bug]" not in made

    # a later run of the checkpoint alone is refused as well, where Dagster's blocking check is not consulted
    refresh = importlib.import_module("arc_pipeline.defs.refresh")
    staleness = importlib.import_module("arc_pipeline.defs.staleness")
    batch = refresh.Batch("bug", [staleness.Node("checkpoint", "bug")])
    outcome = session.run(batch)
    assert "every_test_pair_is_a_target" in outcome.failed
    assert not outcome.made


def test_a_faulty_file_takes_no_other_dataset_down(project: SimpleNamespace) -> None:
    write_experiment(project.data, "one")
    broken = {"x": {"train": [{"input": [[10]], "output": [[1]]}], "test": []}}
    (project.data / "raw" / "broken.json").write_text(json.dumps(broken))
    session = project.load()
    outcomes = session.refresh(["tasks"])
    made = {str(node.artefact) for outcome in outcomes for node in outcome.made}
    failed = "\n".join(outcome.failed for outcome in outcomes)
    assert "tasks[mirror]" in made
    assert "broken.json" in failed
    assert "10" in failed


def test_code_that_changes_no_data_retrains_nothing(project: SimpleNamespace) -> None:
    write_experiment(project.data, "one")
    session = project.load()
    session.refresh([])
    for asset in ("tasks/mirror", "augmented_examples/one"):
        record = project.data / "store" / asset / "current" / "lineage.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"code_version": "another"}))
    assert {"checkpoint[one]", "predictions[one/t0.0]", "results_table"} <= names(session.plan())
    made = {str(node.artefact) for outcome in session.refresh([]) for node in outcome.made}
    assert made == {"tasks[mirror]", "augmented_examples[one]"}
    assert session.plan() == []
