"""The sections of an experiment file, each with its defaults and what it allows. Knows nothing of files."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.rendering.prompt import SOLVE
from arc_pipeline.uncounted import uncounted

uncounted("the values of the fields are in the data versions of the config assets")


class Section(BaseModel):
    """Base of all parts of the file: unknown fields are faults, and so is infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _known_dataset(name: str, info: ValidationInfo) -> str:
    """Checked only where the validation's context says what `datasets` there are."""
    known = (info.context or {}).get("datasets")
    if known and name not in known:
        raise ValueError(f"unknown dataset{did_you_mean_or_all(name, known)}")
    return name


DatasetName = Annotated[str, AfterValidator(_known_dataset)]


class TrainingData(Section):
    """One source of training examples. Its chance is its part of all weights; without weights, all tasks are alike."""

    dataset: DatasetName
    prompt: Literal["output-from-examples-v1", "input-from-inputs-v0"] = SOLVE
    weight: float | None = Field(None, gt=0)


class AugmentationConfig(Section):
    """How examples are drawn from tasks. `legacy-swap` reproduces the bug of the original study on purpose."""

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
    """How the trained model is evaluated: `predictions` candidates for every test pair of the datasets.

    `constrain` limits decoding to valid grids: what the encoding determines is not sampled. `batch_size` answers at
    most are computed at once, fewer where their keys and values would not fit into `cache_gigabytes` (by default 2, or
    a share of the GPU's free memory). `engine: transformers` is the reference implementation.
    """

    datasets: list[DatasetName] = Field(min_length=1)
    predictions: int = Field(32, ge=1)
    prompt: Literal["output-from-examples-v1"] = SOLVE
    constrain: bool = True
    engine: Literal["arc", "transformers"] = "arc"
    batch_size: int = Field(128, ge=1)
    cache_gigabytes: float | None = Field(None, gt=0)
    at_steps: list[Annotated[int, Field(ge=1)]] = []

    @field_validator("datasets")
    @classmethod
    def _named_once(cls, names: list[str]) -> list[str]:
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each dataset is predicted once, repeated: {', '.join(repeated)}")
        return names
