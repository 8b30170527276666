"""Attention inside each example of a packed row, and nowhere else. Knows lengths of segments, not what they hold."""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

SEGMENTED = "segmented_sdpa"
# what flash attention computes in, and its words for: everything before a token, nothing after it
FLASH = {torch.bfloat16, torch.float16}
CAUSAL = (-1, 0)


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


def flash_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    segment_lengths: list[int],
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As `segmented_attention`, all segments in one call: on a GPU, in half precision, else that is called."""
    from torch.nn.attention.varlen import varlen_attn

    kind = computed_in(query)
    if not query.is_cuda or kind not in FLASH:
        return segmented_attention(
            module, query, key, value, attention_mask, segment_lengths=segment_lengths, **options
        )
    groups, scaling = query.shape[1] // key.shape[1], options.get("scaling")
    if scaling is not None:
        query = query * (scaling * query.shape[-1] ** 0.5)
    states = (query, *(each.repeat_interleave(groups, dim=1) for each in (key, value)))
    flat = [each[0].transpose(0, 1).to(kind).contiguous() for each in states]
    bounds = torch.tensor([0, *segment_lengths]).cumsum(0).to(query.device, torch.int32, non_blocking=True)
    longest = max(segment_lengths)
    return varlen_attn(*flat, bounds, bounds, longest, longest, window_size=CAUSAL)[None], None


def computed_in(states: torch.Tensor) -> torch.dtype:
    """What attention is computed in: under autocast positions may have turned queries into float32."""
    kind = states.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype


def attend_in_segments(model: Any) -> None:
    """Has the model attend so. Registered here and not at import, so that it is code of the trainings that use it."""
    AttentionInterface.register(SEGMENTED, flash_attention if torch.cuda.is_available() else segmented_attention)
    model.set_attn_implementation(SEGMENTED)


def can_segment(model: Any) -> bool:
    """Whether all layers attend to everything before a token, by the attention that transformers lets us exchange."""
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    windowed = getattr(model.config, "sliding_window", None) is not None
    return bool(model._supports_attention_backend) and kinds == {"full_attention"} and not windowed
