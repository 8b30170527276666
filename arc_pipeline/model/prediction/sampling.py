"""Which token comes next: arg max of logits / temperature + noise. Knows nothing of grids, prompts or batches.

The noise is Gumbel's, so the choice has the distribution of the softmax. It is a function of (seed, place in the
completion, token) alone: a completion is the same in every batch, a draft that it confirms is what it would have been
anyway, and the temperatures of one prompt share their noise.
"""

import torch

_INCREMENT, _FIRST, _SECOND = (bits - 2**64 for bits in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_LARGEST = 2**53


def gumbel(seeds: torch.Tensor, places: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """(n, m) standard Gumbel noise of n completions' places (both int64) for m token ids."""
    streams = _mixed(_mixed(seeds) + places)
    bits = _shifted(_mixed(streams[:, None] + ids), 11)
    uniform = (bits.double() + 0.5) / _LARGEST
    return -torch.log(-torch.log(uniform)).float()


def _mixed(values: torch.Tensor) -> torch.Tensor:
    """SplitMix64 (doi:10.1145/2714064.2660195): neighbouring integers become independent ones."""
    values = values + _INCREMENT
    values = (values ^ _shifted(values, 30)) * _FIRST
    values = (values ^ _shifted(values, 27)) * _SECOND
    return values ^ _shifted(values, 31)


def _shifted(values: torch.Tensor, bits: int) -> torch.Tensor:
    """A logical shift to the right: torch's own repeats the sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def choose(
    logits: torch.Tensor, ids: torch.Tensor, seeds: torch.Tensor, places: torch.Tensor, temperatures: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(index into `ids`, its log-probability at temperature 1) for each row of (n, m) logits; -inf is never chosen."""
    noised, warm = logits, temperatures > 0
    if bool(warm.any()):
        noised = logits / torch.where(warm, temperatures, 1.0)[:, None]
        noised = torch.where(warm[:, None], noised + gumbel(seeds, places, ids), noised)
    chosen = noised.argmax(-1)
    return chosen, logits.log_softmax(-1).gather(-1, chosen[:, None]).squeeze(-1)
