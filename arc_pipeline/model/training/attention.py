"""Attention inside each example of a packed row, and nowhere else. Knows lengths of segments, not what they hold."""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

SEGMENTED = "segmented_sdpa"


def segmented_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    segment_lengths: list[int],
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention in each segment of (1, heads, tokens, channels); a row without lengths is refused."""
    segments = zip(*(each.split(segment_lengths, dim=2) for each in (query, key, value)), strict=True)
    parts = [sdpa_attention_forward(module, *segment, None, **options)[0] for segment in segments]
    return torch.cat(parts, dim=1), None


def attend_in_segments(model: Any) -> None:
    """Has the model attend so. Registered here and not at import, so that it is code of the trainings that use it."""
    AttentionInterface.register(SEGMENTED, segmented_attention)
    model.set_attn_implementation(SEGMENTED)


def can_segment(model: Any) -> bool:
    """Whether all layers attend to everything before a token, by the attention that transformers lets us exchange."""
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    windowed = getattr(model.config, "sliding_window", None) is not None
    return bool(model._supports_attention_backend) and kinds == {"full_attention"} and not windowed
