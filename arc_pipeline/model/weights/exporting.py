"""A copy of a checkpoint that needs nothing of this package: for plain transformers (5 and 4.57), peft and vLLM."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.checkpoint import ADAPTER
from arc_pipeline.model.weights.plain_files import (
    BASE,
    CONFIG,
    README,
    complete,
    set_fields,
    set_tokenizer_fields,
    write_tiny_base,
)
from arc_pipeline.model.weights.source import TINY
from arc_pipeline.model.weights.tokenization import save_tokenizer, saved_tokenizer
from arc_pipeline.store.tables import whole_directory
from arc_pipeline.uncounted import uncounted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from arc_pipeline.arc.experiment import Experiment

uncounted("a copy for others; no artefact is made of it")

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]
WEIGHTS = "*.safetensors"
NOT_COPIED = {README, "lineage.json", "training_log.parquet", BASE, ADAPTER, "steps", "tasks", "current"}


@dataclass(frozen=True)
class Export:
    """What a directory was written with: the text of the end of an answer, and what users must be told loudly."""

    end: str
    end_id: int
    problems: list[str]


Card: TypeAlias = Callable[[Export], str]


def export_model(content: Path, directory: Path, experiment: "Experiment", card: Card, dtype: Dtype) -> Export:
    """Copies the weights of a checkpoint, its adapter merged, with configuration and tokenizer for others, and `card`.

    The directory appears as a whole or not at all.
    """
    with whole_directory(directory) as place:
        for path in sorted(content.iterdir()):
            if path.name not in NOT_COPIED and path.is_file():
                shutil.copyfile(path, place / path.name)
        if dtype != "float32":
            _convert(place, dtype)
        return _described(place, _completed(place, experiment), card)


def export_adapter(content: Path, directory: Path, experiment: "Experiment", card: Card, start: str) -> Export:
    """Copies the adapter of a checkpoint alone, with its base named in adapter_config.json: a model by its name, or
    the directory `base` beside it where its weights are found nowhere else."""
    if not (content / ADAPTER).is_dir():
        raise ArcPipelineError(f"{experiment.name} has no adapter: its tuning is {experiment.tuning.method}")
    with whole_directory(directory) as place:
        for path in (content / ADAPTER).iterdir():
            if path.name != README:
                shutil.copyfile(path, place / path.name)
        if start == TINY:
            write_tiny_base(place / BASE, experiment)
        elif os.path.isdir(start) and experiment.initial_checkpoint:
            shutil.copytree(start, place / BASE, ignore=lambda at, names: NOT_COPIED & {*names})
            complete(place / BASE, parse_encoder(experiment.grid_encoder))
        base = BASE if (place / BASE).is_dir() else start
        set_fields(place / "adapter_config.json", base_model_name_or_path=base)
        tokenizer = _save_with_template(content, place)
        set_tokenizer_fields(place / "tokenizer_config.json")
        return _described(place, Export(tokenizer.eos_token, tokenizer.eos_token_id, []), card)


def _described(place: Path, export: Export, card: Card) -> Export:
    (place / README).write_text(card(export), encoding="utf-8")
    return export


def _completed(place: Path, experiment: "Experiment") -> Export:
    tokenizer = _save_with_template(place, place)
    problem = complete(place, parse_encoder(experiment.grid_encoder))
    return Export(tokenizer.eos_token, tokenizer.eos_token_id, [problem] if problem else [])


def _save_with_template(content: Path, place: Path) -> "PreTrainedTokenizerBase":
    """Writes the tokenizer of a checkpoint, with a chat template: programs that know only messages then write the
    prompt as it was trained."""
    tokenizer = saved_tokenizer(content)
    tokenizer.chat_template = tokenizer.chat_template or verbatim_template(tokenizer.eos_token)
    save_tokenizer(tokenizer, place)
    return tokenizer


def verbatim_template(end: str) -> str:
    """A chat template that adds nothing to a prompt, and the end to an answer."""
    answered = "{% if message['role'] == 'assistant' %}{{ " + json.dumps(end) + " }}{% endif %}"
    return "{% for message in messages %}{{ message['content'] }}" + answered + "{% endfor %}"


def _convert(place: Path, dtype: Dtype) -> None:
    """Rounds the weights to another type, file by file."""
    import torch
    from safetensors.torch import load_file, save_file

    wanted: Any = getattr(torch, dtype)
    for path in place.glob(WEIGHTS):
        tensors = {
            name: tensor.to(wanted) if tensor.is_floating_point() else tensor
            for name, tensor in load_file(path).items()
        }
        save_file(tensors, path, metadata={"format": "pt"})
    set_fields(place / CONFIG, dtype=dtype)
