"""The experiment file: one YAML file, one experiment, one partition. Knows the fields, not what is done with them.

Each consumer's part of the file is a version of its own, so that a prediction setting never makes a checkpoint stale.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from arc_pipeline.arc.augmentation.checks import CHECKS
from arc_pipeline.arc.names import NAME_RULE, did_you_mean_or_all, is_name
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.settings import ALL_TEMPERATURES, AugmentationConfig, Prediction, Section, TrainingData, Tuning
from arc_pipeline.arc.tasks.documents import TypedLoader, field_faults, parse_yaml, read_bytes
from arc_pipeline.errors import Fault, FaultyInput
from arc_pipeline.uncounted import uncounted

uncounted("the values of the fields are in the data versions of the config assets")

__all__ = ["AugmentationConfig", "Experiment", "ExperimentCatalogue", "Prediction", "TrainingData", "Tuning"]

SAVED_STATES = 50
SAVED_AT_LEAST_EVERY = 50

# words that other programs have for a field, and what to write here
_TRAINED_ON, _EVALUATED_ON = "train: [{dataset: NAME}]", "predict: {datasets: [NAME]}"
_CANDIDATES = "predict: {predictions: 32}"
SLIPS = {
    **dict.fromkeys(("lr", "learning-rate"), "learning_rate"),
    **dict.fromkeys(("steps", "train_steps", "num_steps"), "max_steps"),
    **dict.fromkeys(("epochs", "num_epochs", "num_train_epochs"), "max_steps, with max_steps x batch_size examples"),
    **dict.fromkeys(("batch", "bs", "train_batch_size", "per_device_train_batch_size"), "batch_size"),
    "gradient_accumulation_steps": "micro_batch_size, of which batch_size is a multiple",
    **dict.fromkeys(("warmup", "warmup_steps"), "warmup_ratio, a share of max_steps"),
    **dict.fromkeys(("scheduler", "lr_scheduler_type"), "lr_scheduler"),
    **dict.fromkeys(("bf16", "fp16", "dtype", "torch_dtype"), "precision"),
    **dict.fromkeys(("max_length", "max_seq_length", "seq_len", "context_length"), "max_seq_len"),
    **dict.fromkeys(("model_name", "model_path", "base_model", "model_id"), "model"),
    **dict.fromkeys(("lora", "peft", "adapter"), "tuning: {method: lora}"),
    **dict.fromkeys(("dataset", "data", "train_dataset", "training"), _TRAINED_ON),
    **dict.fromkeys(("eval", "evaluate", "evaluation", "test", "eval_dataset"), _EVALUATED_ON),
    **dict.fromkeys(("samples", "num_samples", "num_return_sequences", "candidates"), _CANDIDATES),
    **dict.fromkeys(("temperature", "temperatures"), ALL_TEMPERATURES),
    **dict.fromkeys(("encoder", "encoding"), "grid_encoder"),
    **dict.fromkeys(("augment", "augmentations"), "augmentation"),
    **dict.fromkeys(("from", "start", "init_from", "checkpoint"), "initial_checkpoint"),
    **dict.fromkeys(("wandb", "tracker", "trackers", "logger"), "report_to: [wandb]"),
}


def _expected_violation(name: str) -> str:
    """A check that may fail where the file says so."""
    expectable = [check.name for check in CHECKS.values() if check.may_be_expected]
    if name not in expectable:
        raise ValueError(f"no check that may be expected to fail{did_you_mean_or_all(name, expectable)}")
    return name


class Experiment(Section):
    """All settings of one experiment, with their defaults. One with `on_request` is skipped unless it is selected by
    name, until it was made once."""

    slips = SLIPS

    name: str
    model: str = "tiny"
    """Where the weights are from: tiny (0.9 M, random), a directory, a model id in the local cache, or a GGUF file."""
    chat: Literal["auto", "off"] = "auto"
    """Use the model's chat template if it has one, or never."""
    vocabulary: Literal["full", "used"] = "full"
    """Keep all tokens of the model, or only those that ARC prompts can have."""
    tuning: Tuning = Tuning()
    """Which weights are trained."""
    test_time: Literal["dataset", "task"] | None = None
    """Train on the demonstrations of the evaluation tasks: one adapter for all of a dataset, or one for each task."""
    train: list[TrainingData] = Field([], validate_default=True)
    """What is trained on: a list of {dataset: NAME}. Required, unless test_time is given."""
    validation: list[TrainingData] = []
    """What the validation loss is measured on, in the same form."""
    grid_encoder: str = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"
    """How grids are written as text; README.md beside the experiments has a picture of each way."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """How examples are drawn from tasks."""
    supervise: Literal["answer", "all-outputs"] = "answer"
    """The tokens that carry loss: those of the target's output, or of the demonstrations' outputs too."""
    max_steps: int = Field(ge=1)
    """Steps of the optimizer."""
    batch_size: int = Field(16, ge=1)
    """Examples in a step, over all processes."""
    max_seq_len: int = Field(4096, ge=16)
    """The longest example, in tokens; longer ones are drawn again."""
    learning_rate: float = Field(1e-4, gt=0)
    """The highest learning rate: 1e-4 for pretrained models, 2e-3 for tiny."""
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    """The share of the steps in which the learning rate rises."""
    lr_scheduler: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after that."""
    logging_steps: int = Field(10, ge=1)
    """Steps between two lines of the log."""
    eval_steps: int | None = Field(None, ge=1)
    """Steps between two measurements of the validation loss; null: as save_steps."""
    save_steps: int | None = Field(None, ge=1)
    """Steps between two states to resume from; null: 2 % of the training, at least 50."""
    seed: int = Field(7, ge=0, lt=2**63)
    """Of everything that is random."""
    gradient_checkpointing: bool = False
    """Compute activations twice, to need less memory."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Numbers that are computed with; auto: bf16 where the machine is fast at it."""
    micro_batch_size: int | None = Field(None, ge=1)
    """Examples that a process takes at once, to need less memory; null: its part of batch_size."""
    packing: Literal["auto", "on", "off"] = "auto"
    """Put several examples into one row of a batch, apart from each other; auto: where that is faster."""
    processes: int = Field(1, ge=1)
    """Processes of the training, one for each GPU."""
    report_to: list[Literal["tensorboard", "wandb"]] = []
    """Also log to these trackers, which must be installed: pip install 'arc-pipeline[tensorboard,wandb]'."""
    initial_checkpoint: str | None = None
    """The experiment from whose checkpoint this one starts."""
    predict: Prediction
    """What the trained model is evaluated on. Required."""
    expected_violations: list[Annotated[str, AfterValidator(_expected_violation)]] = []
    """Checks of the data that are known to fail and must not stop the training."""
    on_request: bool = False
    """Make it only if it is selected by name."""

    @field_validator("grid_encoder")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        parse_encoder(name)
        return name

    @field_validator("train")
    @classmethod
    def _trains_on_something(cls, train: list[TrainingData], info: ValidationInfo) -> list[TrainingData]:
        if bool(train) == bool(info.data.get("test_time")):
            raise ValueError(
                "name what to train on, [{dataset: ...}], unless test_time is given: then it is predict.datasets"
            )
        if len({source.weight is None for source in train}) > 1:
            raise ValueError("give a weight to all datasets, or to none: then all of their tasks are alike")
        return train

    @field_validator("initial_checkpoint")
    @classmethod
    def _another_experiment(cls, start: str | None, info: ValidationInfo) -> str | None:
        known = (info.context or {}).get("experiments")
        others = [name for name in known or () if name != info.data.get("name")]
        if known and start is not None and start not in others:
            raise ValueError(f"must name a different experiment{did_you_mean_or_all(start, others)}")
        return start

    @model_validator(mode="after")
    def _batch_divides(self) -> "Experiment":
        micro = self.micro_batch_size or 1
        if self.batch_size % (micro * self.processes):
            product = f"micro_batch_size x processes, {micro} x {self.processes}"
            raise ValueError(f"batch_size must be a multiple of {product}, found {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _evaluates_something(self) -> "Experiment":
        if self.eval_steps and not self.validation:
            raise ValueError(
                f"eval_steps {self.eval_steps} has nothing to evaluate; add validation: [{{dataset: ...}}]"
            )
        return self

    @model_validator(mode="after")
    def _test_time(self) -> "Experiment":
        """At test time the evaluation tasks give the data, and an earlier training the start."""
        wrong = {
            "must not look at test outputs: leave out validation": self.validation,
            "shows no test pair: leave out augmentation.target": self.augmentation.target != "any",
            "starts from a trained model: name it as initial_checkpoint": self.initial_checkpoint is None,
        }
        wrong_of_task = {
            "trains adapters: tuning must be {method: lora}": self.tuning.method != "lora",
            "is one process's work: leave out processes": self.processes > 1,
            "has a training for each task: leave out report_to and predict.at_steps": self.report_to
            or self.predict.at_steps,
        }
        if self.test_time == "task":
            wrong = wrong | {f"task {problem}": is_wrong for problem, is_wrong in wrong_of_task.items()}
        if self.test_time and (problems := [problem for problem, is_wrong in wrong.items() if is_wrong]):
            raise ValueError(f"test_time {'; '.join(problems)}")
        return self

    @model_validator(mode="after")
    def _measured_on_the_way(self) -> "Experiment":
        if late := [step for step in self.predict.at_steps if step > self.max_steps]:
            raise ValueError(f"predict.at_steps must be at most max_steps {self.max_steps}, found {late}")
        return self

    @property
    def save_interval(self) -> int:
        """Steps between two states to resume from: about 2 % of the training, if the file does not say."""
        return self.save_steps or max(SAVED_AT_LEAST_EVERY, math.ceil(self.max_steps / SAVED_STATES))

    @property
    def eval_interval(self) -> int:
        """Steps between two measurements of the validation loss: those between two states, if the file does not say."""
        return self.eval_steps or self.save_interval

    @property
    def n_examples(self) -> int:
        """Examples that the whole training consumes; with an adapter for each task, those of one."""
        return self.max_steps * self.batch_size

    @property
    def training_data(self) -> list[TrainingData]:
        """Where examples come from: at test time from the evaluation tasks."""
        return self.train or [TrainingData(dataset=name) for name in self.predict.datasets]

    def in_use(self) -> "Experiment":
        """The same experiment, with the default of each field that its other fields leave without an effect."""
        unused: dict[str, Any] = {}
        if not self.augmentation.colours:
            default = AugmentationConfig().background_probability
            unused["augmentation"] = self.augmentation.model_copy(update={"background_probability": default})
        if self.tuning.method == "full":
            unused["tuning"] = Tuning()
        if self.lr_scheduler == "constant":
            unused["warmup_ratio"] = type(self).model_fields["warmup_ratio"].default
        return self.model_copy(update=unused)

    def augmentation_fields(self) -> dict[str, Any]:
        """What `augmented_examples` reads."""
        fields = self.in_use().model_dump(
            include={"chat", "vocabulary", "grid_encoder", "augmentation", "max_seq_len", "seed"}
        )
        fields |= {"train": [data.model_dump() for data in self.training_data], **self._scope()}
        return fields | {"n_examples": self.n_examples, "checks": self.expected_violations}

    def _scope(self) -> dict[str, Any]:
        """`test_time`, where the file has it: all others keep the versions that they had before the field was."""
        return {"test_time": self.test_time} if self.test_time else {}

    def training_fields(self) -> dict[str, Any]:
        """What `checkpoint` reads beside its examples and initial weights."""
        fields = self.in_use().model_dump(
            include={
                *("tuning", "supervise", "max_steps", "batch_size", "micro_batch_size", "learning_rate", "seed"),
                *("warmup_ratio", "lr_scheduler", "gradient_checkpointing", "precision", "packing", "validation"),
            }
        )
        return fields | (self._scope() if self.test_time == "task" else {})

    def prediction_fields(self) -> dict[str, Any]:
        """What `predictions` reads beside the checkpoint and the tasks."""
        return self.in_use().model_dump(
            include={"predict": True, "augmentation": True, "grid_encoder": True, "seed": True},
            exclude={
                "predict": {"batch_size", "cache_gigabytes", "at_steps", "score_views"},
                "augmentation": {"target"},
            },
        )

    def decoding_fields(self) -> dict[str, Any]:
        """What an answer depends on beside the weights, the code, and the prompt with its seed and temperature."""
        fields = self.prediction_fields()
        in_prompts = {"datasets", "predictions", "prompt"}
        predict = {name: value for name, value in fields["predict"].items() if name not in in_prompts}
        return {"grid_encoder": fields["grid_encoder"], **predict}

    def curve_fields(self) -> dict[str, Any]:
        """What `training_curve` reads beside the predictions' fields."""
        return {"at_steps": sorted(set(self.predict.at_steps))}

    def scoring_fields(self) -> dict[str, Any]:
        """What `scores` reads beside the candidates, the tasks and the weights."""
        return self.in_use().model_dump(
            include={
                "predict": {"score_views": True, "prompt": True},
                "augmentation": True,
                "grid_encoder": True,
                "seed": True,
            },
            exclude={"augmentation": {"target"}},
        )

    def datasets(self) -> dict[str, list[str]]:
        """The datasets it names, by the field that names them."""
        trained = [data.dataset for data in self.training_data]
        validated = [data.dataset for data in self.validation]
        return {"train": trained, "validation": validated, "predict.datasets": list(self.predict.datasets)}


class ExperimentCatalogue:
    """All experiments of a directory; a faulty file takes no other down."""

    def __init__(self, experiments: Mapping[str, Experiment], faults: Mapping[str, list[Fault]]) -> None:
        self.experiments = dict(experiments)
        self.faults = dict(faults)

    @classmethod
    def read(cls, directory: Path, datasets: Collection[str] = ()) -> "ExperimentCatalogue":
        """Reads `*.yaml`, also in folders; with `datasets`, names of unknown datasets are faults too."""
        experiments: dict[str, Experiment] = {}
        faults: dict[str, list[Fault]] = {}
        paths = experiment_files(directory)
        known = {"datasets": datasets, "experiments": list(paths)}
        for name, places in paths.items():
            try:
                experiments[name] = read_experiment(_the_one(directory, places), known)
            except FaultyInput as error:
                faults[name] = list(error.faults)
        wrong = _other_starts(experiments) | _cycles(experiments)
        good = {name: experiment for name, experiment in experiments.items() if name not in wrong}
        return cls(good, faults | wrong)

    def names(self) -> list[str]:
        """The experiments whose names can be partition keys, faulty ones included."""
        return sorted(name for name in [*self.experiments, *self.faults] if is_name(name))

    def misnamed(self) -> tuple[Fault, ...]:
        """What `names` leaves out, and why."""
        return tuple(sorted(fault for name, faults in self.faults.items() if not is_name(name) for fault in faults))

    def get(self, name: str) -> Experiment:
        """The experiment; FaultyInput with the faults of every file if its own is faulty or missing."""
        if name in self.experiments:
            return self.experiments[name]
        known = [fault for faults in self.faults.values() for fault in faults]
        missing = Fault(f"{name}.yaml", "", f"no such experiment{did_you_mean_or_all(name, self.names())}")
        raise FaultyInput(known if name in self.faults else [missing])

    def history(self, name: str) -> list[Experiment]:
        """The experiment of that name, then those whose checkpoints it starts from, the latest first.

        Ends before one that is faulty: the last one then still has an `initial_checkpoint`.
        """
        history: list[Experiment] = []
        start: str | None = name
        while start in self.experiments:
            history.append(self.experiments[start])
            start = history[-1].initial_checkpoint
        return history


def experiment_files(directory: Path) -> dict[str, list[Path]]:
    """The files of each name, below any folder; more than one file of a name is a fault."""
    files: dict[str, list[Path]] = {}
    for path in sorted(directory.rglob("*.yaml"), key=lambda path: (path.stem, path)):
        if not any(part.startswith(".") for part in path.relative_to(directory).parts):
            files.setdefault(path.stem, []).append(path)
    return files


def _the_one(directory: Path, places: Sequence[Path]) -> Path:
    if len(places) > 1:
        problem = "several files have this name; rename all but one"
        raise FaultyInput([Fault(str(path.relative_to(directory)), "", problem) for path in places])
    return places[0]


def _cycles(experiments: Mapping[str, Experiment]) -> dict[str, list[Fault]]:
    """A fault for every experiment that would start from its own checkpoint, by way of others."""
    starts = {name: experiment.initial_checkpoint for name, experiment in experiments.items()}
    faults = {}
    for name in starts:
        path = [name]
        while (start := starts.get(path[-1])) is not None and start not in path:
            path.append(start)
        if start == name:
            problem = f"experiments start from each other: {' -> '.join([*path, name])}"
            faults[name] = [Fault(f"{name}.yaml", "initial_checkpoint", problem, repr(starts[name]))]
    return faults


def _other_starts(experiments: Mapping[str, Experiment]) -> dict[str, list[Fault]]:
    """Faults of experiments that start from one whose model reads other tokens, or that has many checkpoints."""
    faults = {}
    for name, experiment in experiments.items():
        if start := experiments.get(experiment.initial_checkpoint or ""):
            if start.test_time == "task":
                problem = f"{start.name} has an adapter for each task, and no training can start from all of them"
                faults[name] = [Fault(f"{name}.yaml", "initial_checkpoint", problem, repr(start.name))]
                continue
            fields = ("model", "chat", "vocabulary", *(["grid_encoder"] if experiment.vocabulary == "used" else []))
            problem = f"starts from {start.name}'s checkpoint, so it must be the same as there: "
            values = [(field, getattr(experiment, field), getattr(start, field)) for field in fields]
            faults[name] = [
                Fault(f"{name}.yaml", field, problem + repr(theirs), repr(ours))
                for field, ours, theirs in values
                if ours != theirs
            ]
    return {name: of_file for name, of_file in faults.items() if of_file}


# what files say, by name, content and what was known of other names: a file is read again, but not parsed again
_READ: dict[tuple[str, bytes, tuple[tuple[str, ...], ...]], Experiment] = {}


def read_experiment(path: Path, known: Mapping[str, Collection[str]] | None = None) -> Experiment:
    """One file; FaultyInput lists every fault with its field, the value and what is allowed.

    `known` has the names of all `datasets` and `experiments`; without them, names are not checked.
    """
    if not is_name(path.stem):
        raise FaultyInput([Fault(path.name, "", NAME_RULE, repr(path.stem))])
    key = (path.name, read_bytes(path.name, path), tuple((name, *names) for name, names in (known or {}).items()))
    if key not in _READ:
        _READ[key] = _parsed(path, key[1], known)
    return _READ[key]


def _parsed(path: Path, written: bytes, known: Mapping[str, Collection[str]] | None) -> Experiment:
    content = parse_yaml(path.name, written, TypedLoader)
    if not isinstance(content, dict) or "name" in content:
        problem = "an experiment is a mapping of fields; its name is the file's"
        raise FaultyInput([Fault(path.name, "", problem, repr(content)[:60])])
    try:
        return Experiment.model_validate({**content, "name": path.stem}, context=known)
    except ValidationError as error:
        raise FaultyInput(field_faults(path.name, error, Experiment)) from error
