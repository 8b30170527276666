"""The sections of an experiment file, each with its defaults and what it allows. Knows nothing of files."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.rendering.prompt import SOLVE
from arc_pipeline.uncounted import uncounted

uncounted("the values of the fields are in the data versions of the config assets")
ALL_TEMPERATURES = "nothing: every experiment is evaluated at 0.0, 0.1, 0.2, 0.5 and 1.0"


class Section(BaseModel):
    """Base of all parts of the file: unknown fields are faults, and so is infinity. The text below a field describes
    it, in the template of a new experiment too; `slips` says what other words for fields mean."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    slips: ClassVar[Mapping[str, str]] = {}


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
    """The name of a dataset: an entry of data/datasets.yaml, or a file or folder in data/raw/."""
    prompt: Literal["output-from-examples-v1", "input-from-inputs-v0"] = SOLVE
    """What an example asks for: the output of the target, or one more input like those shown."""
    weight: float | None = Field(None, gt=0)
    """The share of examples from this dataset, relative to the others' weights; null: each task weighs the same."""


class AugmentationConfig(Section):
    """How examples are drawn from tasks. `legacy-swap` reproduces the bug of the original study on purpose."""

    geometric: bool = True
    """Rotate and mirror grids, all of an example in the same way."""
    colours: bool = True
    """Permute the colours, all of an example in the same way."""
    background_probability: float = Field(0.1, ge=0, le=1)
    """How often the permutation of colours also moves colour 0, the background."""
    demonstration_order: bool = True
    """Show the demonstrations in a random order."""
    max_demonstrations: int | None = Field(None, ge=1)
    """Show at most so many demonstrations; null: all that fit into max_seq_len."""
    target: Literal["any", "legacy-swap", "test-only"] = "any"
    """Which pair of a task an example asks for: any of them, test pairs only, or as the bug of the original study."""


class Tuning(Section):
    """Which weights are trained: all of them, or a low-rank adapter (arXiv:2106.09685)."""

    slips = {"r": "rank", "lora_rank": "rank", "type": "method", "lora": "method: lora"}

    method: Literal["full", "lora"] = "full"
    """Train all weights, or a low-rank adapter."""
    rank: int = Field(32, ge=1)
    """The rank of the adapter (lora only)."""
    rslora: bool = False
    """Scale the adapter by the square root of its rank (lora only)."""
    dora: bool = False
    """Train magnitude and direction apart (lora only)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of the adapter's inputs that is dropped (lora only)."""


class Prediction(Section):
    """How the trained model is evaluated: `predictions` candidates for every test pair of the datasets.

    `constrain` limits decoding to valid grids: what the encoding determines is not sampled. `batch_size` answers at
    most are computed at once, fewer where their keys and values would not fit into `cache_gigabytes` (by default 2, or
    a share of the GPU's free memory). `engine: transformers` is the reference implementation.
    """

    slips = {
        **dict.fromkeys(("dataset", "data", "tasks"), "datasets: [NAME]"),
        **dict.fromkeys(("n", "samples", "num_samples", "candidates"), "predictions"),
        **dict.fromkeys(("temperature", "temperatures"), ALL_TEMPERATURES),
        **dict.fromkeys(("views", "scores", "scoring_views", "likelihood"), "score_views"),
    }

    datasets: list[DatasetName] = Field(min_length=1)
    """The datasets to evaluate on, by name."""
    predictions: int = Field(32, ge=1)
    """Candidates for each test pair and temperature."""
    prompt: Literal["output-from-examples-v1"] = SOLVE
    """What the model is asked for."""
    constrain: bool = True
    """Decode only what is a valid grid in the encoding."""
    engine: Literal["arc", "transformers"] = "arc"
    """This project's engine, or the reference implementation on generate of transformers."""
    batch_size: int = Field(128, ge=1)
    """The most answers that are computed at once."""
    cache_gigabytes: float | None = Field(None, gt=0)
    """The most memory for keys and values, in gigabytes; null: 2, or a share of the GPU's free memory."""
    at_steps: list[Annotated[int, Field(ge=1)]] = []
    """Steps of the training at which it is evaluated too, for a curve."""
    score_views: int = Field(0, ge=0, le=64)
    """Views, such as 8, under which to measure how probable each candidate is; 0: they are ranked by votes alone."""

    @field_validator("datasets")
    @classmethod
    def _named_once(cls, names: list[str]) -> list[str]:
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each dataset is predicted once, repeated: {', '.join(repeated)}")
        return names
