"""Timing of steps: which ones are measured, alternating rounds of several ways, and what follows for all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

WARM_UP = 2
ROUNDS = 3
Report = Callable[[str], None]
Key = TypeVar("Key")


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

    A line through the measured ones with the slope of Theil and Sen, which one disturbed step does not move.
    """
    from scipy.stats import theilslopes

    step_costs, seconds = zip(*measured, strict=True)
    slope = max(0.0, float(theilslopes(seconds, step_costs).slope)) if len(set(step_costs)) > 1 else 0.0
    offset = statistics.fmean(seconds) - slope * statistics.fmean(step_costs)
    return slope * statistics.fmean(costs) + offset


def interleaved(steps: Mapping[Key, Callable[[], object]], report: Report) -> dict[Key, list[float]]:
    """Seconds of every round of each step; all take turns, so that a disturbance meets all of them."""
    seconds: dict[Key, list[float]] = {key: [] for key in steps}
    for number in range(ROUNDS):
        report(f"round {number + 1} of {ROUNDS}")
        for key, step in steps.items():
            begin = time.perf_counter()
            step()
            synchronize()
            seconds[key].append(time.perf_counter() - begin)
    return seconds


def synchronize() -> None:
    """Waits for the GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rates(
    ours: int, reference: int, our_seconds: Sequence[float], seconds: Sequence[float]
) -> tuple[float, float, float]:
    """(our rate, the reference's, the median of the ratios round by round)."""
    pairs = [(ours / a, reference / b) for a, b in zip(our_seconds, seconds, strict=True)]
    medians = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return *medians, statistics.median(a / b for a, b in pairs)


def row(name: str, ours: float, reference: float, ratio: float, unit: str, check: str) -> dict[str, Any]:
    """One line of the report; a ratio above 1 means that ours is better."""
    return {"name": name, "ours": ours, "reference": reference, "ratio": ratio, "unit": unit, "check": check}
