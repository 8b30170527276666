"""A checkpoint on disk: weights, tokenizer and the log of its training in one self-contained directory."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_pipeline.model.tokenization import save_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER = "adapter"
TRAINING_LOG = "training_log.parquet"


def save_checkpoint(model: Any, tokenizer: "PreTrainedTokenizerBase", directory: Path) -> None:
    """Writes full weights that plain transformers loads; a LoRA adapter goes beside them and is merged into them."""
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(str(directory / ADAPTER))
        model = model.merge_and_unload()
    model.save_pretrained(str(directory))
    save_tokenizer(tokenizer, directory)


def weights_hash(directory: Path) -> str:
    """SHA-256 over the weight files: the data version of a checkpoint."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def parameter_count(model: "PreTrainedModel") -> tuple[int, int]:
    """(all parameters, those that are trained)."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
