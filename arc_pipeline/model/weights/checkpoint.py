"""A checkpoint on disk: weights, tokenizer and the log of its training in one self-contained directory."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.tokenization import save_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER = "adapter"
TASK_ADAPTERS = "tasks"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
MILESTONES = "steps"
TRAINING_LOG = "training_log.parquet"
LOG_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in ("step", "max_steps")),
        *((name, pa.float64()) for name in ("loss", "learning_rate", "grad_norm", "eval_loss")),
        *((name, pa.float64()) for name in ("seconds", "seconds_left", "tokens_per_second")),
    ]
)


def save_checkpoint(model: Any, tokenizer: "PreTrainedTokenizerBase", directory: Path) -> None:
    """Writes full weights that plain transformers loads; a LoRA adapter goes beside them and is merged into them."""
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(str(directory / ADAPTER))
        model = model.merge_and_unload()
    model.save_pretrained(str(directory))
    save_tokenizer(tokenizer, directory)


def log_row(entry: Mapping[str, Any], max_steps: int) -> dict[str, Any]:
    """What an entry of the trainer's history says of training or validation; empty if it says neither."""
    row = {name: entry[name] for name in LOG_SCHEMA.names if name in entry}
    return row | {"max_steps": max_steps} if {"loss", "eval_loss"} & row.keys() else {}


def log_rows(history: Iterable[Mapping[str, Any]], max_steps: int) -> list[dict[str, Any]]:
    """One row a logged step, in which validation loss stands beside training loss."""
    rows: dict[int, dict[str, Any]] = {}
    for row in (log_row(entry, max_steps) for entry in history):
        if row:
            rows[row["step"]] = rows.get(row["step"], {}) | row
    return list(rows.values())


def write_log(rows: list[dict[str, Any]], directory: Path) -> None:
    """The log of the training."""
    pq.write_table(pa.Table.from_pylist(rows, schema=LOG_SCHEMA), directory / TRAINING_LOG)


def read_log(directory: Path) -> pa.Table:
    """What `write_log` wrote."""
    return pq.read_table(directory / TRAINING_LOG)


def milestone(directory: Path, step: int) -> Path:
    """The weights that were kept after a step; ArcPipelineError if the training was not told to keep them."""
    path = directory / MILESTONES / str(step)
    if not path.is_dir():
        kept = sorted(int(kept_step.name) for kept_step in (directory / MILESTONES).glob("*"))
        raise ArcPipelineError(
            f"predict.at_steps: step {step} was not kept by the training (kept: {kept or 'none'}); train it again with "
            "retrain: true in the launchpad's config"
        )
    return path


def task_adapters(directory: Path) -> dict[tuple[str, str], Path]:
    """The adapters of single tasks, by (dataset, task id); none in most checkpoints."""
    adapters = sorted(path.parent for path in directory.glob(f"{TASK_ADAPTERS}/*/*/{ADAPTER_WEIGHTS}"))
    return {(path.parent.name, unquote(path.name)): path for path in adapters}


def task_adapter(directory: Path, dataset: str, task_id: str) -> Path:
    """Where the adapter of a task belongs."""
    return directory / TASK_ADAPTERS / dataset / quote(task_id, safe="")


def weights_hash(directory: Path) -> str:
    """SHA-256 over the weight files, and those of its tasks' adapters: the data version of a checkpoint."""
    digest = hashlib.sha256()
    adapters = sorted(path / ADAPTER_WEIGHTS for path in task_adapters(directory).values())
    for path in [*sorted(directory.glob("*.safetensors")), *adapters]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def parameter_count(model: Any) -> tuple[int, int]:
    """(all parameters, those that are trained)."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
