"""A checkpoint on disk: weights, tokenizer and the log of its training in one self-contained directory."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from arc_pipeline.model.tokenization import save_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER = "adapter"
TRAINING_LOG = "training_log.parquet"


def save_checkpoint(model: Any, tokenizer: "PreTrainedTokenizerBase", directory: Path) -> None:
    """Writes full weights that plain transformers loads; a LoRA adapter goes beside them and is merged into them."""
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(str(directory / ADAPTER))
        model = model.merge_and_unload()
    model.save_pretrained(str(directory))
    save_tokenizer(tokenizer, directory)


def write_log(rows: list[dict[str, Any]], directory: Path) -> None:
    """The log of the training, one row a logged step."""
    pq.write_table(pa.Table.from_pylist(rows), directory / TRAINING_LOG)


def read_log(directory: Path) -> pa.Table:
    """What `write_log` wrote."""
    return pq.read_table(directory / TRAINING_LOG)


def weights_hash(directory: Path) -> str:
    """SHA-256 over the weight files: the data version of a checkpoint."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def parameter_count(model: Any) -> tuple[int, int]:
    """(all parameters, those that are trained)."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
