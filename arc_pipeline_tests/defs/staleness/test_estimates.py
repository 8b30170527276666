"""Estimates follow the work: steps, candidates, lengths; unknown is said where nothing like it was made."""

from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.defs.staleness.estimates import Estimates
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store


def experiment(name: str, **fields: Any) -> Experiment:
    plain = {"train": [{"dataset": "d"}], "max_steps": 500, "batch_size": 8, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(plain | fields | {"name": name})


MADE, SHORT = experiment("made"), experiment("short", max_steps=50)


def record(artefact: Artefact, seconds: float = 0, **about: Any) -> Lineage:
    plain = {"artefact": str(artefact), "data_version": "v", "code_version": "1", "upstream": {}, "seconds": seconds}
    return Lineage.model_validate(plain | about)


def estimates(tmp_path: Path, *experiments: Experiment, **metadata: Any) -> Estimates:
    """With what `made` took: 200 s for its checkpoint, 180 s of them for its steps, and 30 s for its predictions."""
    configs = {"training_config": MADE.training_fields(), "prediction_config": MADE.prediction_fields()}
    made = {Artefact(name, "made"): record(Artefact(name, "made"), config=fields) for name, fields in configs.items()}
    made[Artefact("initial_weights", "made")] = record(Artefact("initial_weights", "made"), config={"model": "tiny"})
    for asset, config, seconds in (("checkpoint", "training_config", 200), ("predictions", "prediction_config", 30)):
        artefact = Artefact(asset, "made" if asset == "checkpoint" else "made/t0.0")
        about = {"upstream": {f"{config}[made]": "v"}}
        about |= {"metadata": {"training_seconds": 180}} if asset == "checkpoint" else {}
        made[artefact] = record(artefact, seconds, **about)
    for name, tokens in metadata.items():
        artefact = Artefact("augmented_examples", name)
        made[artefact] = record(artefact, 5, metadata={"mean_tokens": tokens})
    return Estimates(Store(tmp_path), {each.name: each for each in (MADE, *experiments)}, made)


def test_a_tenth_of_the_steps_takes_a_tenth_beside_the_start(tmp_path: Path) -> None:
    assert estimates(tmp_path, SHORT).seconds(Artefact("checkpoint", "short")) == pytest.approx(20 + 18)


def test_a_changed_setting_scales_its_own_last_time(tmp_path: Path) -> None:
    changed = MADE.model_copy(update={"max_steps": 1000})
    assert estimates(tmp_path, changed).seconds(Artefact("checkpoint", "made")) == pytest.approx(20 + 360)


def test_longer_examples_take_longer(tmp_path: Path) -> None:
    found = estimates(tmp_path, SHORT, made=100, short=200)
    assert found.seconds(Artefact("checkpoint", "short")) == pytest.approx(20 + 36)


def test_fewer_candidates_take_less(tmp_path: Path) -> None:
    few = experiment("few", predict={"datasets": ["d"], "predictions": 8})
    assert estimates(tmp_path, few).seconds(Artefact("predictions", "few/t0.0")) == pytest.approx(30 / 4)


@pytest.mark.parametrize("fields", [{"model": "other"}, {"tuning": {"method": "lora"}}])
def test_of_another_kind_it_is_unknown(tmp_path: Path, fields: dict[str, Any]) -> None:
    other = experiment("other", **fields)
    assert estimates(tmp_path, other).seconds(Artefact("checkpoint", "other")) is None


def test_what_nothing_scales_takes_what_the_longest_took(tmp_path: Path) -> None:
    found = estimates(tmp_path)
    assert found.seconds(Artefact("training_config", "x")) == 0
    assert found.seconds(Artefact("failures", "made")) is None
