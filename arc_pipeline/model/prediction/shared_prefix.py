"""Keys and values of prompts and of their completions, and attention over them. Knows slots and lengths, not tokens.

The completions of one prompt attend to one copy of its keys and values. The buffers are allocated once; tokens of many
completions, as many as each one needs, go through the model as one row, so nothing is padded but scores.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from arc_pipeline.model.training.attention import can_segment

SHARED_PREFIX = "shared_prefix"
Indices = NDArray[np.int64]


class Turn(Protocol):
    """What one forward pass computes: its tokens' places in the buffers."""

    def attend(self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> Any:
        """Stores (1, heads, tokens, channels) keys and values and returns (1, tokens, heads, channels)."""


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    turn: Turn,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it, with the turn that `model(..., turn=turn)` was given."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return turn.attend(module, query, key, value, scale), None


@dataclass(frozen=True)
class BufferSize:
    """How much the buffers hold: prompts, completions of each, tokens of each."""

    prompts: int
    completions: int
    prompt_tokens: int
    completion_tokens: int

    def n_tokens(self) -> int:
        """Tokens of all buffers."""
        return self.prompts * (self.prompt_tokens + self.completions * self.completion_tokens)


class SharedPrefixCache:
    """Keys and values of every layer: of prompts and of completions, (n, heads, tokens, channels)."""

    def __init__(self, size: BufferSize, copies: bool = False) -> None:
        self.size, self.copies = size, copies
        self.prompts: dict[int, list[torch.Tensor]] = {}
        self.completions: dict[int, list[torch.Tensor]] = {}

    def layer(self, number: int, states: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The buffers of a layer, allocated when its first keys and values are there."""
        if number not in self.prompts:
            size = self.size
            self.prompts[number] = [self._buffer(like, size.prompts, size.prompt_tokens) for like in states]
            rows = size.prompts * size.completions
            self.completions[number] = [self._buffer(like, rows, size.completion_tokens) for like in states]
        return self.prompts[number], self.completions[number]

    @staticmethod
    def _buffer(states: torch.Tensor, rows: int, tokens: int) -> torch.Tensor:
        # zeros, not whatever was there: a masked NaN would still be NaN
        return states.new_zeros((rows, states.shape[1], tokens, states.shape[3]))

    def bytes_per_token(self) -> int:
        """Of all layers; known after the first pass."""
        return sum(
            part.shape[1] * part.shape[3] * part.element_size() for pair in self.prompts.values() for part in pair
        )


class Prefill:
    """The tokens of several prompts, one after the other, into their slots."""

    def __init__(self, cache: SharedPrefixCache, slots: Sequence[int], lengths: Sequence[int]) -> None:
        self._cache, self._slots, self._lengths = cache, slots, list(lengths)

    def attend(self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> Any:
        """Causal attention in each prompt."""
        prompts, _ = self._cache.layer(module.layer_idx, (key, value))
        segments = zip(*(states.split(self._lengths, dim=2) for states in (query, key, value)), strict=True)
        outputs = []
        for slot, length, (q, k, v) in zip(self._slots, self._lengths, segments, strict=True):
            for buffer, states in zip(prompts, (k, v), strict=True):
                buffer[slot, :, :length] = states[0]
            outputs.append(sdpa_attention_forward(module, q, k, v, None, scaling=scaling)[0])
        return torch.cat(outputs, dim=1)


@dataclass(frozen=True)
class Layout:
    """Queries of a flat row of tokens put into rows of equal length, and where each is found again."""

    slots: torch.Tensor | None
    source: torch.Tensor
    place: tuple[torch.Tensor, torch.Tensor]
    hidden: torch.Tensor
    n_keys: int
    copies: bool

    @classmethod
    def of(cls, owners: Indices, bounds: Indices, n_owners: int, device: torch.device, copies: bool) -> "Layout":
        """`owners[t]` is the slot whose keys token t sees, up to `bounds[t]` of them; tokens of an owner are adjacent.

        `copies`: keys and values are copied in every pass, as a cache that is concatenated anew does.
        """
        slots, first, row = np.unique(owners, return_index=True, return_inverse=True)
        column = np.arange(len(owners)) - first[row]
        if everything := 2 * len(slots) > n_owners:  # a view of all is cheaper than a copy of most
            row, slots = owners, np.arange(n_owners)
        source = np.zeros((len(slots), column.max() + 1), dtype=np.int64)
        limits = np.ones_like(source)
        source[row, column], limits[row, column] = np.arange(len(owners)), bounds
        put = [torch.from_numpy(array).to(device) for array in (slots, source, row, column, limits)]
        n_keys = max(1, int(bounds.max()))
        hidden = torch.arange(n_keys, device=device) >= put[4][:, None, None, :, None]
        return cls(None if everything else put[0], put[1], (put[2], put[3]), hidden, n_keys, copies)

    def attend(self, query: torch.Tensor, buffers: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Of flat (tokens, key heads, groups, channels): the weighted mean of the values, and log(sum(exp(scores)))."""
        rows, width = self.source.shape
        _, heads, groups, channels = query.shape
        queries = query[self.source].permute(0, 2, 3, 1, 4).reshape(rows, heads, groups * width, channels)
        keys, values = (self._seen(buffer) for buffer in buffers)
        scores = (queries @ keys.transpose(-1, -2)).float().view(rows, heads, groups, width, self.n_keys)
        scores.masked_fill_(self.hidden, torch.finfo(torch.float32).min)
        weights = scores.softmax(-1)
        # the largest weight is exp(0) / sum: a softmax is several times faster than the exponentials of masked scores
        logsum = scores.amax(-1, keepdim=True) - weights.amax(-1, keepdim=True).log()
        flat = weights.view(rows, heads, groups * width, self.n_keys).to(values.dtype)
        output = (flat @ values).view(rows, heads, groups, width, -1).float()
        row, column = self.place
        flat_output, flat_logsum = (padded.permute(0, 3, 1, 2, 4)[row, column] for padded in (output, logsum))
        return flat_output, flat_logsum

    def _seen(self, buffer: torch.Tensor) -> torch.Tensor:
        part = buffer[:, :, : self.n_keys]
        if self.slots is not None:
            return part[self.slots]
        return part.clone() if self.copies else part


class Step:
    """The next tokens of several completions: each sees its prompt, and its own tokens up to itself."""

    def __init__(
        self, cache: SharedPrefixCache, rows: Indices, places: Indices, prompt_lengths: Indices, device: torch.device
    ) -> None:
        """For every token its completion's row, its place there, and how many tokens its prompt has in the buffer."""
        self._cache, size = cache, cache.size
        self._rows, self._places = (torch.from_numpy(array).to(device) for array in (rows, places))
        seen = [
            (rows // size.completions, prompt_lengths, size.prompts),
            (rows, places + 1, size.prompts * size.completions),
        ]
        self._layouts = [Layout.of(owners, bounds, n, device, cache.copies) for owners, bounds, n in seen]

    def attend(self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> Any:
        """One softmax over both parts, which are computed apart."""
        buffers = self._cache.layer(module.layer_idx, (key, value))
        for index, states in enumerate((key, value)):
            buffers[1][index][self._rows, :, self._places] = states[0].transpose(0, 1)
        _, heads, n_tokens, channels = query.shape
        flat = (query[0] * scaling).transpose(0, 1).reshape(n_tokens, key.shape[1], -1, channels)
        parts = [layout.attend(flat, pair) for layout, pair in zip(self._layouts, buffers, strict=True)]
        outputs, logsums = (torch.stack(both) for both in zip(*parts, strict=True))
        output = (logsums.softmax(0) * outputs).sum(0)
        return output.to(query.dtype).reshape(1, n_tokens, heads, -1)


@contextmanager
def shared_prefix(model: Any) -> Iterator[None]:
    """The model with this attention, which needs a turn in every call."""
    before = model.config._attn_implementation
    # here and not at import, so that it is code of the predictions
    AttentionInterface.register(SHARED_PREFIX, shared_prefix_attention)
    model.set_attn_implementation(SHARED_PREFIX)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def run_turn(model: Any, ids: torch.Tensor, positions: torch.Tensor, turn: Turn, kept: torch.Tensor) -> torch.Tensor:
    """(kept, vocabulary) logits after the kept ones of a flat row of tokens."""
    output = model(input_ids=ids[None], position_ids=positions[None], use_cache=False, logits_to_keep=kept, turn=turn)
    return output.logits[0]  # type: ignore[no-any-return]


def bytes_per_token(model: Any) -> int | None:
    """What a token takes in the buffers, or None for a model that does not compute the same with this attention."""
    if not can_segment(model):
        return None
    device, ids = model.device, torch.arange(8) % model.config.get_text_config().vocab_size
    ids, positions = ids.to(device), torch.arange(8, device=device)
    with torch.inference_mode():
        usual = model(input_ids=ids[None], use_cache=False).logits[0, 4:].float()
        cache = SharedPrefixCache(BufferSize(1, 1, 4, 4))
        with shared_prefix(model):
            run_turn(model, ids[:4], positions[:4], Prefill(cache, [0], [4]), positions[:1])
            step = Step(cache, np.zeros(4, np.int64), np.arange(4), np.full(4, 4), device)
            ours = run_turn(model, ids[4:], positions[4:], step, positions[:4]).float()
    tolerance = 1e-3 if usual.dtype == torch.float32 and model.dtype == torch.float32 else 0.1
    return cache.bytes_per_token() if bool((ours - usual).abs().max() <= tolerance * usual.std()) else None
