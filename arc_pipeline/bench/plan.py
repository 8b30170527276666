"""Which steps of a training are measured, and what the whole is inferred from them. Arithmetic, nothing else."""

from collections.abc import Sequence
from statistics import median

WARM_UP = 2


def strata(costs: Sequence[int], n: int) -> list[int]:
    """Steps in the middle of n equal shares of the distribution of costs; any beginning of the list covers it too."""
    by_cost = sorted(range(len(costs)), key=costs.__getitem__)
    n = min(n, len(costs))
    return [by_cost[int((share + 0.5) * len(costs) / n)] for share in _spread(n)]


def _spread(n: int) -> list[int]:
    """0 to n - 1, each as far as possible from those before it (van der Corput's sequence)."""
    bits = max(1, (n - 1).bit_length())
    reversed_bits = [int(f"{index:0{bits}b}"[::-1], 2) for index in range(2**bits)]
    return [index for index in reversed_bits if index < n]


def seconds_per_step(measured: Sequence[tuple[int, float]], costs: Sequence[int]) -> float:
    """The mean step's seconds, given (cost, seconds) of measured steps and the costs of steps in general.

    A line through the measured ones; its slope is the median of all slopes (Theil, Sen), which one disturbed step
    does not move.
    """
    slopes = [(t1 - t0) / (c1 - c0) for i, (c0, t0) in enumerate(measured) for c1, t1 in measured[:i] if c1 != c0]
    slope = max(0.0, median(slopes)) if slopes else 0.0
    offsets = [seconds - slope * cost for cost, seconds in measured]
    return slope * sum(costs) / len(costs) + sum(offsets) / len(offsets)
