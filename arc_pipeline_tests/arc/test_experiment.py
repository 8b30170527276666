"""Experiment files: every fault at once and in words, and which part of the pipeline each field belongs to."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from arc_pipeline.arc.experiment import (
    AugmentationConfig,
    Experiment,
    ExperimentCatalogue,
    Prediction,
    TrainingData,
)
from arc_pipeline.errors import FaultyInput

DATASETS = ("train_rs7", "val_rs7")
NO_TRAIN = "name what to train on, [{dataset: ...}], unless test_time is given: then it is predict.datasets"
LEAST: dict[str, Any] = {
    "train": [{"dataset": "train_rs7"}],
    "max_steps": 10,
    "predict": {"datasets": ["val_rs7"]},
}


def write(directory: Path, **files: object) -> Path:
    """Writes an experiment for each keyword: text as it is, anything else as YAML."""
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


def faults(directory: Path, content: object) -> list[str]:
    catalogue = ExperimentCatalogue.read(write(directory, x=content), DATASETS)
    with pytest.raises(FaultyInput) as caught:
        catalogue.get("x")
    return [str(fault) for fault in caught.value.faults]


def test_the_shortest_file(tmp_path: Path) -> None:
    experiment = ExperimentCatalogue.read(write(tmp_path, x=LEAST), DATASETS).get("x")
    assert experiment == Experiment(
        name="x",
        train=[TrainingData(dataset="train_rs7")],
        max_steps=10,
        predict=Prediction(datasets=["val_rs7"]),
    )
    assert experiment.n_examples == 160
    assert experiment.datasets() == {"train": ["train_rs7"], "validation": [], "predict.datasets": ["val_rs7"]}


# --- faults


def test_all_faults_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    content = {
        "train": [{"dataset": "train_rs8"}, {"dataset": "val_rs7", "weight": 0}],
        "max_step": 10,
        "max_steps": -1,
        "learning_rate": "fast",
        "grid_encoder": "RowNumberEncoder(Minimal())",
        "augmentation": {"target": "all", "gemoetric": True},
        "tuning": {"method": "qlora"},
        "initial_checkpoint": "y",
        "expected_violations": ["transforms_are_unifrom"],
        "predict": {"datasets": ["evaluation"], "prediction": 4},
    }
    encoders = "GridCodeBlockEncoder, GridShapeEncoder, GridWithSeparationEncoder, MinimalGridEncoder, RowNumberEncoder"
    assert faults(tmp_path, content) == [
        "x.yaml: augmentation.gemoetric: unknown field; did you mean 'geometric'? (found True)",
        "x.yaml: augmentation.target: Input should be 'any', 'legacy-swap' or 'test-only' (found 'all')",
        "x.yaml: expected_violations.0: no check that may be expected to fail; did you mean 'transforms_are_uniform'? "
        "(found 'transforms_are_unifrom')",
        f"x.yaml: grid_encoder: unknown encoder 'Minimal', allowed: {encoders} (found 'RowNumberEncoder(Minimal())')",
        "x.yaml: initial_checkpoint: must name a different experiment; there are: none (found 'y')",
        "x.yaml: learning_rate: Input should be a valid number, unable to parse string as a number (found 'fast')",
        "x.yaml: max_step: unknown field; did you mean 'max_steps'? (found 10)",
        "x.yaml: max_steps: Input should be greater than or equal to 1 (found -1)",
        "x.yaml: predict.datasets.0: unknown dataset; there are: train_rs7, val_rs7 (found 'evaluation')",
        "x.yaml: predict.prediction: unknown field; did you mean 'predictions'? (found 4)",
        "x.yaml: train.0.dataset: unknown dataset; did you mean 'train_rs7'? (found 'train_rs8')",
        "x.yaml: train.1.weight: Input should be greater than 0 (found 0)",
        "x.yaml: tuning.method: Input should be 'full' or 'lora' (found 'qlora')",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"target": "any"}, "target: unknown field; did you mean 'augmentation.target'? (found 'any')"),
        ({"datasets": ["val_rs7"]}, "datasets: unknown field; did you mean 'predict.datasets'? (found ['val_rs7'])"),
        ({"zzz": 1}, "zzz: unknown field; there are: augmentation, batch_size, "),
        ({"tuning": {"zzz": 1}}, "tuning.zzz: unknown field; there are: dora, dropout, method, rank, rslora (found 1)"),
        ({"train": []}, "train: name what to train on, [{dataset: ...}], unless test_time is given: then it is pred"),
        (
            {"train": [{"dataset": "train_rs7", "weight": 3}, {"dataset": "val_rs7"}]},
            "train: give a weight to all datas",
        ),
        (
            {"train": "train_rs7"},
            "train: Input should be a valid list; write [{dataset: train_rs7}] (found 'train_rs7')",
        ),
        (
            {"train": ["train_rs7"]},
            "train.0: Input should be a valid dictionary or instance of TrainingData; write {dataset: train_rs7}",
        ),
        ({"max_steps": 1.5}, "max_steps: Input should be a valid integer, got a number with a fractional part"),
        ({"learning_rate": float("inf")}, "learning_rate: Input should be a finite number (found inf)"),
        (
            {"augmentation": {"background_probability": 2}},
            "augmentation.background_probability: Input should be less th",
        ),
        ({"micro_batch_size": 3}, "batch_size must be a multiple of micro_batch_size x processes, 3 x 1, found 16"),
        (
            {"initial_checkpoint": "x"},
            "initial_checkpoint: must name a different experiment; there are: none (found 'x')",
        ),
        ({"predict": {"datasets": ["val_rs7", "val_rs7"]}}, "each dataset is predicted once, repeated: val_rs7 (found"),
        ({"name": "y"}, "an experiment is a mapping of fields; its name is the file's (found {'max_steps': 10, "),
        ({1: 2}, "x.yaml: 1: Keys should be strings (found 1)"),
    ],
)
def test_each_fault_says_what_is_allowed(tmp_path: Path, change: dict[Any, Any], expected: str) -> None:
    [fault] = faults(tmp_path, LEAST | change)
    assert expected in fault


def test_missing_fields_are_named(tmp_path: Path) -> None:
    assert faults(tmp_path, {"model": "tiny"}) == [
        "x.yaml: max_steps: the field is missing",
        "x.yaml: predict: the field is missing",
        f"x.yaml: train: {NO_TRAIN} (found [])",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_steps: [1", "x.yaml: line 2, column 1: broken YAML: did not find"),
        ("max_steps: 1\nmax_steps: 2", "x.yaml: line 2, column 1: broken YAML: the key 'max_steps' is repeated"),
        (
            "model: !!python/object/apply:os.getcwd []",
            "x.yaml: line 1, column 8: broken YAML: could not determine a con",
        ),
        (
            "a: &a [1]\nb: *a",
            "x.yaml: line 2, column 4: broken YAML: the alias *a is not read, write what it stands for",
        ),
        ("- " * 60 + "1", "x.yaml: line 1, column 101: broken YAML: more than 50 levels"),
        ("#" * 2_000_000, "x.yaml: broken YAML: 2,000,000 bytes, at most 1,048,576 are read"),
        ("model: 2024-99-99", "x.yaml: broken YAML: month must be in 1..12"),
        ("model: \x07", "x.yaml: broken YAML: unacceptable character #x0007: control characters are not allowed"),
        ("", "x.yaml: an experiment is a mapping of fields; its name is the file's (found None)"),
        ("- model", "x.yaml: an experiment is a mapping of fields; its name is the file's (found ['model'])"),
    ],
)
def test_broken_yaml_is_a_fault_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    [fault] = faults(tmp_path, text)
    assert fault.startswith(expected)


def test_what_is_no_text_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"model: \xff")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / ".hidden.yaml").write_text("[")
    catalogue = ExperimentCatalogue.read(tmp_path, DATASETS)
    assert catalogue.names() == ["binary", "folder"]
    [binary], [folder] = catalogue.faults["binary"], catalogue.faults["folder"]
    assert str(binary).startswith(
        "binary.yaml: broken YAML: unacceptable character #x00ff: invalid leading UTF-8 octet"
    )
    assert str(folder).startswith("folder.yaml: the file cannot be read (found ")


@pytest.mark.parametrize("name", ["a b", "a..b", "naïve", "a|b"])
def test_a_file_whose_name_can_be_no_partition_is_a_fault(tmp_path: Path, name: str) -> None:
    catalogue = ExperimentCatalogue.read(write(tmp_path, **{name: LEAST, "good": LEAST}), DATASETS)
    assert catalogue.names() == list(catalogue.experiments) == ["good"]
    [fault] = catalogue.faults[name]
    assert (
        str(fault) == f"{name}.yaml: a name has only letters, digits and _ . - (no dot first, no ..) (found {name!r})"
    )
    assert catalogue.misnamed() == (fault,)


def test_other_faults_are_not_misnamed(tmp_path: Path) -> None:
    assert ExperimentCatalogue.read(write(tmp_path, broken="[", good=LEAST), DATASETS).misnamed() == ()


def test_a_faulty_file_takes_no_other_down(tmp_path: Path) -> None:
    files = {"broken": "[", "typo": LEAST | {"max_step": 1}, "good": LEAST}
    good_too = LEAST | {"initial_checkpoint": "typo"}  # it is there, and it is for the typo's own message to complain
    catalogue = ExperimentCatalogue.read(write(tmp_path, good_too=good_too, **files), DATASETS)
    assert catalogue.names() == ["broken", "good", "good_too", "typo"]
    assert catalogue.get("good").max_steps == 10
    assert catalogue.get("good_too").initial_checkpoint == "typo"
    with pytest.raises(FaultyInput) as caught:
        catalogue.get("typo")
    assert [fault.file for fault in caught.value.faults] == ["broken.yaml", "typo.yaml"]


def test_experiments_that_start_from_each_other_are_faulty_and_take_no_other_down(tmp_path: Path) -> None:
    starts = {"a": "b", "b": "c", "c": "a", "d": "e", "e": "d", "on_a_cycle": "a", "chain": "good"}
    files = {name: LEAST | {"initial_checkpoint": start} for name, start in starts.items()}
    catalogue = ExperimentCatalogue.read(write(tmp_path, good=LEAST, **files), DATASETS)
    assert list(catalogue.experiments) == ["chain", "good", "on_a_cycle"]
    assert catalogue.names() == sorted(["good", *starts])
    words = "initial_checkpoint: experiments start from each other:"
    assert {name: list(map(str, found)) for name, found in catalogue.faults.items()} == {
        "a": [f"a.yaml: {words} a -> b -> c -> a (found 'b')"],
        "b": [f"b.yaml: {words} b -> c -> a -> b (found 'c')"],
        "c": [f"c.yaml: {words} c -> a -> b -> c (found 'a')"],
        "d": [f"d.yaml: {words} d -> e -> d (found 'e')"],
        "e": [f"e.yaml: {words} e -> d -> e (found 'd')"],
    }
    with pytest.raises(FaultyInput, match="a -> b -> c -> a"):
        catalogue.get("a")


def test_a_checkpoint_whose_model_reads_other_tokens_is_no_start(tmp_path: Path) -> None:
    base = LEAST | {"vocabulary": "used", "chat": "off"}
    files = {
        "same": base,
        "whole": base | {"vocabulary": "full"},
        "encoder": base | {"grid_encoder": "MinimalGridEncoder()"},
        "model": base | {"model": "org/other", "chat": "auto"},
    }
    files = {name: each | {"initial_checkpoint": "base"} for name, each in files.items()}
    catalogue = ExperimentCatalogue.read(write(tmp_path, base=base, **files), DATASETS)
    assert list(catalogue.experiments) == ["base", "same"]
    words = "starts from base's checkpoint, so it must be the same as there:"
    encoder = catalogue.experiments["base"].grid_encoder
    assert {name: list(map(str, found)) for name, found in catalogue.faults.items()} == {
        "whole": [f"whole.yaml: vocabulary: {words} 'used' (found 'full')"],
        "encoder": [f"encoder.yaml: grid_encoder: {words} {encoder!r} (found 'MinimalGridEncoder()')"],
        "model": [
            f"model.yaml: model: {words} 'tiny' (found 'org/other')",
            f"model.yaml: chat: {words} 'off' (found 'auto')",
        ],
    }


def test_an_experiment_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FaultyInput, match=r"godo\.yaml: no such experiment; did you mean 'good'\?"):
        ExperimentCatalogue.read(write(tmp_path, good=LEAST)).get("godo")
    with pytest.raises(FaultyInput, match="no such experiment; there are: none"):
        ExperimentCatalogue.read(tmp_path / "nowhere").get("x")


def test_without_datasets_their_names_are_not_checked(tmp_path: Path) -> None:
    assert ExperimentCatalogue.read(write(tmp_path, x=LEAST)).get("x").train[0].dataset == "train_rs7"


# --- which part of the pipeline reads which field

EXAMPLES, TRAINING, PREDICTIONS = "augmented_examples", "checkpoint", "predictions"
# field: (another value, the versions that it changes)
READ_BY: dict[str, tuple[Any, set[str]]] = {
    "name": ("y", set()),
    "model": ("other", set()),  # initial_weights and the tokenizer's version
    "chat": ("off", {EXAMPLES}),
    "vocabulary": ("used", {EXAMPLES}),
    "initial_checkpoint": ("other", set()),  # initial_weights
    "tuning": ({"method": "lora"}, {TRAINING}),
    "train": ([{"dataset": "val_rs7"}], {EXAMPLES}),
    "grid_encoder": ("MinimalGridEncoder()", {EXAMPLES, PREDICTIONS}),
    "augmentation": ({"geometric": False}, {EXAMPLES, PREDICTIONS}),
    "supervise": ("all-outputs", {TRAINING}),
    "max_steps": (20, {EXAMPLES, TRAINING}),
    "batch_size": (32, {EXAMPLES, TRAINING}),
    "max_seq_len": (512, {EXAMPLES}),
    "learning_rate": (1e-3, {TRAINING}),
    "warmup_ratio": (0.5, {TRAINING}),
    "lr_scheduler": ("cosine", {TRAINING}),
    "logging_steps": (1, set()),
    "validation": ([{"dataset": "train_rs7"}], {TRAINING}),
    "eval_steps": (5, set()),
    "packing": ("off", {TRAINING}),
    "save_steps": (5, set()),
    "seed": (8, {EXAMPLES, TRAINING, PREDICTIONS}),
    "gradient_checkpointing": (True, {TRAINING}),
    "precision": ("fp32", {TRAINING}),
    "micro_batch_size": (4, {TRAINING}),
    "processes": (2, set()),
    "report_to": (["wandb"], set()),
    "predict": ({"datasets": ["train_rs7"]}, {PREDICTIONS}),
    "expected_violations": (["transforms_are_uniform"], {EXAMPLES}),
    "on_request": (True, set()),
}


def changed_versions(change: dict[str, Any]) -> set[str]:
    fields = {"name": "x", "validation": [{"dataset": "val_rs7"}]} | LEAST
    before, after = Experiment.model_validate(fields), Experiment.model_validate(fields | change)
    assert before != after
    versions = {
        EXAMPLES: Experiment.augmentation_fields,
        TRAINING: Experiment.training_fields,
        PREDICTIONS: Experiment.prediction_fields,
    }
    return {asset for asset, fields in versions.items() if fields(before) != fields(after)}


@pytest.mark.parametrize("field", sorted(Experiment.model_fields.keys() - {"test_time"}))
def test_a_change_reaches_exactly_the_assets_that_read_the_field(field: str) -> None:
    value, expected = READ_BY[field]
    assert changed_versions({field: value}) == expected


def test_test_time_training_reads_what_is_asked() -> None:
    adapted = Experiment.model_validate({"name": "x", **AT_TEST_TIME})
    on_it = {key: value for key, value in AT_TEST_TIME.items() if key != "test_time"}
    plain = Experiment.model_validate({"name": "x", **on_it, "train": [{"dataset": "val_rs7"}]})
    assert adapted.datasets()["train"] == ["val_rs7"]
    assert adapted.augmentation_fields() != plain.augmentation_fields()
    assert adapted.prediction_fields() == plain.prediction_fields()
    # what others depend on is as it was before there was test-time training
    assert "test_time" not in plain.augmentation_fields()
    each = Experiment.model_validate({"name": "x", **AT_TEST_TIME, "test_time": "task", "tuning": {"method": "lora"}})
    together = Experiment.model_validate({"name": "x", **AT_TEST_TIME, "tuning": {"method": "lora"}})
    assert each.training_fields() != together.training_fields()


@pytest.mark.parametrize("field", AugmentationConfig.model_fields)
def test_predictions_follow_every_augmentation_but_the_target(field: str) -> None:
    other = {"background_probability": 0.5, "max_demonstrations": 2, "target": "test-only"}.get(field, False)
    expected = {EXAMPLES} if field == "target" else {EXAMPLES, PREDICTIONS}
    assert changed_versions({"augmentation": {field: other}}) == expected


def test_how_many_answers_are_made_at_once_changes_nothing() -> None:
    assert changed_versions({"predict": {"datasets": ["val_rs7"], "batch_size": 1}}) == set()
    assert changed_versions({"predict": {"datasets": ["val_rs7"], "predictions": 1}}) == {PREDICTIONS}


def test_states_are_saved_about_fifty_times() -> None:
    saved = {steps: Experiment.model_validate({"name": "x"} | LEAST | {"max_steps": steps}) for steps in (600, 100_000)}
    assert [each.save_interval for each in saved.values()] == [50, 2000]
    assert Experiment.model_validate({"name": "x", "save_steps": 7} | LEAST).save_interval == 7


AT_TEST_TIME: dict[str, Any] = {key: LEAST[key] for key in ("max_steps", "predict")} | {
    "initial_checkpoint": "base",
    "test_time": "dataset",
}


def test_the_shortest_test_time_training() -> None:
    experiment = Experiment.model_validate({"name": "x"} | AT_TEST_TIME)
    assert experiment.training_data == [TrainingData(dataset="val_rs7")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"train": [{"dataset": "val_rs7"}]},
            "train: name what to train on, [{dataset: ...}], unless test_time is giv",
        ),
        ({"initial_checkpoint": None}, "test_time starts from a trained model: name it as initial_checkpoint"),
        ({"validation": [{"dataset": "val_rs7"}]}, "test_time must not look at test outputs: leave out validation"),
        ({"augmentation": {"target": "test-only"}}, "test_time shows no test pair: leave out augmentation.target"),
    ],
)
def test_faults_of_test_time_training(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    write(tmp_path, base=LEAST)
    [fault] = faults(tmp_path, AT_TEST_TIME | change)
    assert expected in fault


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tuning": {"method": "full"}}, "test_time task trains adapters: tuning must be {method: lora}"),
        ({"processes": 2}, "test_time task is one process's work: leave out processes"),
        ({"report_to": ["wandb"]}, "test_time task has a training for each task: leave out report_to"),
        ({"predict": LEAST["predict"] | {"at_steps": [5]}}, "leave out report_to and predict.at_steps"),
    ],
)
def test_faults_of_an_adapter_for_each_task(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    write(tmp_path, base=LEAST)
    [fault] = faults(tmp_path, AT_TEST_TIME | {"test_time": "task", "tuning": {"method": "lora"}} | change)
    assert expected in fault


def test_none_goes_on_from_an_adapter_for_each_task(tmp_path: Path) -> None:
    write(tmp_path, base=LEAST, adapted=AT_TEST_TIME | {"test_time": "task", "tuning": {"method": "lora"}})
    [fault] = faults(tmp_path, LEAST | {"initial_checkpoint": "adapted"})
    assert "adapted has an adapter for each task, and no training can start from all of them" in fault


def test_weights_have_a_history(tmp_path: Path) -> None:
    write(tmp_path, base=LEAST, next=LEAST | {"initial_checkpoint": "base"}, lost=LEAST | {"initial_checkpoint": "bad"})
    write(tmp_path, last=AT_TEST_TIME | {"initial_checkpoint": "next"}, bad={})
    catalogue = ExperimentCatalogue.read(tmp_path)
    assert [each.name for each in catalogue.history("last")] == ["last", "next", "base"]
    assert [each.name for each in catalogue.history("lost")] == ["lost"]


def test_evaluation_of_nothing_is_a_fault() -> None:
    with pytest.raises(ValidationError, match="eval_steps 5 has nothing to evaluate"):
        Experiment.model_validate({"name": "x", "eval_steps": 5} | LEAST)


def test_experiments_may_lie_in_folders(tmp_path: Path) -> None:
    write(tmp_path, one=LEAST)
    (tmp_path / "more" / "deep").mkdir(parents=True)
    write(tmp_path / "more" / "deep", two=LEAST | {"initial_checkpoint": "one"})
    assert ExperimentCatalogue.read(tmp_path).experiments.keys() == {"one", "two"}


def test_two_files_of_one_name_are_a_fault_of_both(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write(tmp_path, one=LEAST, two=LEAST)
    write(tmp_path / "more", one=LEAST)
    catalogue = ExperimentCatalogue.read(tmp_path)
    assert catalogue.experiments.keys() == {"two"}
    assert [fault.file for fault in catalogue.faults["one"]] == ["more/one.yaml", "one.yaml"]


@pytest.mark.parametrize(
    ("settings", "unused"),
    [
        ({"augmentation": {"colours": False}}, {"augmentation": {"colours": False, "background_probability": 0.7}}),
        ({"tuning": {"method": "full"}}, {"tuning": {"method": "full", "rank": 4, "dropout": 0.5}}),
        ({"lr_scheduler": "constant"}, {"lr_scheduler": "constant", "warmup_ratio": 0.5}),
    ],
)
def test_what_has_no_effect_does_not_count(settings: dict[str, Any], unused: dict[str, Any]) -> None:
    plain, other = (Experiment.model_validate(LEAST | {"name": "one"} | each) for each in (settings, unused))
    used = Experiment.model_validate(LEAST | {"name": "one"} | _with_effect(unused))
    for fields in (Experiment.augmentation_fields, Experiment.training_fields, Experiment.prediction_fields):
        assert fields(plain) == fields(other)
    assert (
        used.augmentation_fields() != plain.augmentation_fields() or used.training_fields() != plain.training_fields()
    )


def _with_effect(settings: dict[str, Any]) -> dict[str, Any]:
    """The same values where they have an effect."""
    text = json.dumps(settings).replace("false", "true").replace('"full"', '"lora"').replace("constant", "linear")
    return dict(json.loads(text))
