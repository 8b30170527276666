"""Shapes of models whose weights may not be on this machine: enough to count what they cost, not to run them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_QWEN2_05B = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
SHAPES: dict[str, dict[str, Any]] = dict.fromkeys(("Qwen/Qwen2-0.5B", "Qwen/Qwen2-0.5B-Instruct"), _QWEN2_05B)


def hollow_model(model: str, vocabulary_size: int | None = None) -> "PreTrainedModel":
    """The model of a known shape without any weights: its parameters have sizes and no content."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = SHAPES[model] | ({"vocab_size": vocabulary_size} if vocabulary_size else {})
    with torch.device("meta"):
        return Qwen2ForCausalLM(Qwen2Config(**shape))
