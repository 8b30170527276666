"""The experiment file: one YAML file, one experiment, one partition. Knows the fields, not what is done with them.

Each consumer's part of the file is a version of its own, so that a prediction setting never makes a checkpoint stale.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.errors import Fault, FaultyInput
from arc_pipeline.arc.prompt import SOLVE

NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.-]+")


class Section(BaseModel):
    """Base of all parts of the file: unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingData(Section):
    """One source of training examples; `weight` multiplies the chance of each of its tasks."""

    dataset: str
    prompt: Literal["output-from-examples-v1", "input-from-inputs-v0"] = SOLVE
    weight: float = Field(1.0, gt=0)


class AugmentationConfig(Section):
    """How examples are drawn from tasks. `legacy-swap` reproduces the bug of the seed on purpose."""

    geometric: bool = True
    colours: bool = True
    background_probability: float = Field(0.1, ge=0, le=1)
    demonstration_order: bool = True
    max_demonstrations: int | None = Field(None, ge=1)
    target: Literal["any", "legacy-swap", "test-only"] = "any"


class Tuning(Section):
    """Which weights are trained: all of them, or a low-rank adapter (arXiv:2106.09685)."""

    method: Literal["full", "lora"] = "full"
    rank: int = Field(32, ge=1)
    rslora: bool = False
    dora: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)


class Prediction(Section):
    """What the trained model is asked: `predictions` candidates of every test pair of the datasets."""

    datasets: list[str] = Field(min_length=1)
    predictions: int = Field(32, ge=1)
    prompt: Literal["output-from-examples-v1"] = SOLVE
    batch_size: int = Field(64, ge=1)


class Experiment(Section):
    """Everything that the seed's command line said, with its defaults."""

    name: str
    model: str = "tiny"
    tuning: Tuning = Tuning()
    train: list[TrainingData] = Field(min_length=1)
    validation: list[TrainingData] = []
    grid_encoder: str = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"
    augmentation: AugmentationConfig = AugmentationConfig()
    supervise: Literal["answer", "all-outputs"] = "answer"
    max_steps: int = Field(ge=1)
    batch_size: int = Field(16, ge=1)
    max_seq_len: int = Field(4096, ge=16)
    learning_rate: float = Field(1e-4, gt=0)
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    lr_scheduler: Literal["linear", "cosine", "constant"] = "linear"
    logging_steps: int = Field(10, ge=1)
    eval_steps: int | None = Field(None, ge=1)
    save_steps: int | None = Field(None, ge=1)
    seed: int = Field(7, ge=0)
    gradient_checkpointing: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    micro_batch_size: int | None = Field(None, ge=1)
    processes: int = Field(1, ge=1)
    report_to: list[Literal["tensorboard", "wandb"]] = []
    initial_checkpoint: str | None = None
    predict: Prediction
    expected_violations: list[str] = []

    @field_validator("grid_encoder")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        parse_encoder(name)
        return name

    @model_validator(mode="after")
    def _batch_divides(self) -> "Experiment":
        if self.batch_size % ((self.micro_batch_size or 1) * self.processes):
            raise ValueError("batch_size must be a multiple of micro_batch_size x processes")
        return self

    @property
    def n_examples(self) -> int:
        """Examples that the whole training consumes."""
        return self.max_steps * self.batch_size

    def augmentation_fields(self) -> dict[str, Any]:
        """What `augmented_examples` reads."""
        fields = {"train", "grid_encoder", "augmentation", "max_seq_len", "seed"}
        return self.model_dump(include=fields) | {"n_examples": self.n_examples, "checks": self.expected_violations}

    def training_fields(self) -> dict[str, Any]:
        """What `checkpoint` reads beside its examples and initial weights."""
        return self.model_dump(
            include={
                *("tuning", "supervise", "max_steps", "batch_size", "micro_batch_size", "learning_rate", "seed"),
                *("warmup_ratio", "lr_scheduler", "gradient_checkpointing", "precision", "validation", "eval_steps"),
            }
        )

    def prediction_fields(self) -> dict[str, Any]:
        """What `predictions` reads beside the checkpoint and the tasks."""
        predict = self.predict.model_dump(exclude={"batch_size"})
        return {"predict": predict} | self.model_dump(include={"augmentation", "grid_encoder", "seed"})

    def datasets(self) -> dict[str, list[str]]:
        """The datasets it names, by the field that names them."""
        trained = [each.dataset for each in self.train]
        validated = [each.dataset for each in self.validation]
        return {"train": trained, "validation": validated, "predict.datasets": list(self.predict.datasets)}


class ExperimentCatalogue:
    """All experiments of a directory; a faulty file takes no other down."""

    def __init__(self, experiments: Mapping[str, Experiment], faults: Mapping[str, list[Fault]]) -> None:
        self.experiments = dict(experiments)
        self.faults = dict(faults)

    @classmethod
    def read(cls, directory: Path, datasets: Collection[str] = ()) -> "ExperimentCatalogue":
        """Reads `*.yaml`; with `datasets`, names of unknown datasets are faults too."""
        experiments: dict[str, Experiment] = {}
        faults: dict[str, list[Fault]] = {}
        paths = sorted(directory.glob("*.yaml"))
        for path in paths:
            try:
                experiment = read_experiment(path)
                names = [each.stem for each in paths]
                if found := [*_unknown_datasets(path.name, experiment, datasets), *_unknown_start(experiment, names)]:
                    raise FaultyInput(found)
                experiments[path.stem] = experiment
            except FaultyInput as error:
                faults[path.stem] = list(error.faults)
        return cls(experiments, faults)

    def names(self) -> list[str]:
        """The experiments whose names can be partition keys, faulty ones included."""
        return sorted(name for name in [*self.experiments, *self.faults] if NAME.fullmatch(name))

    def get(self, name: str) -> Experiment:
        """The experiment; FaultyInput with the faults of every file if its own is faulty or missing."""
        if name in self.experiments:
            return self.experiments[name]
        known = [fault for faults in self.faults.values() for fault in faults]
        missing = Fault(f"{name}.yaml", "", f"no such experiment; there are: {', '.join(self.names()) or 'none'}")
        raise FaultyInput(known if name in self.faults else [missing])


def read_experiment(path: Path) -> Experiment:
    """One file; FaultyInput lists every fault with its field, the value and what is allowed."""
    if not NAME.fullmatch(path.stem):
        raise FaultyInput([Fault(path.name, "", "a file name may have letters, digits, '_', '.' and '-' only")])
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FaultyInput([Fault(path.name, "", f"no YAML: {' '.join(str(error).split())}")]) from error
    if not isinstance(content, dict) or "name" in content:
        problem = "an experiment is a mapping of fields; its name is the file's"
        raise FaultyInput([Fault(path.name, "", problem, repr(content)[:60])])
    try:
        return Experiment.model_validate({**content, "name": path.stem})
    except ValidationError as error:
        raise FaultyInput([_fault(path.name, each, content) for each in error.errors()]) from error


def _fault(file: str, error: Any, content: Mapping[str, Any]) -> Fault:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), _all_fields(), n=1)
        return Fault(file, field, f"unknown field{f', did you mean {close[0]!r}?' if close else ''}")
    value = "" if error["type"] == "missing" else repr(error["input"])[:80]
    return Fault(file, field, error["msg"].removeprefix("Value error, "), value if field else "")


def _all_fields() -> list[str]:
    sections = (Experiment, Tuning, TrainingData, AugmentationConfig, Prediction)
    return sorted({field for section in sections for field in section.model_fields})


def _unknown_datasets(file: str, experiment: Experiment, datasets: Collection[str]) -> list[Fault]:
    return [
        Fault(file, field, f"unknown dataset{_hint(name, datasets)}", repr(name))
        for field, names in experiment.datasets().items()
        for name in names
        if datasets and name not in datasets
    ]


def _unknown_start(experiment: Experiment, names: list[str]) -> list[Fault]:
    start = experiment.initial_checkpoint
    if start is None or (start in names and start != experiment.name):
        return []
    return [Fault(f"{experiment.name}.yaml", "initial_checkpoint", f"not another experiment{_hint(start, names)}", start)]


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(known))}"


