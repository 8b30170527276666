"""What a check says: whether a fact holds, in words, and from which chance on a count is no chance any more.

Knows nothing of any fact.
"""

from dataclasses import dataclass
from typing import Any

from arc_pipeline.uncounted import uncounted

SIGNIFICANCE = 1e-6
NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Verdict:
    """Whether a fact holds, in words, with the offending ids."""

    passed: bool
    description: str
    offenders: tuple[str, ...] = ()

    @uncounted("how a verdict is kept is no part of an artefact")
    def as_json(self) -> dict[str, Any]:
        """As records and metadata have it."""
        return {"passed": self.passed, "description": self.description, "offenders": list(self.offenders)}


def binomial(seen: int, total: int, share: float) -> float:
    """The probability of a count that is as unlikely as the seen one, or more (two-sided, exact); 1 of no draws."""
    from scipy.stats import binomtest

    return float(binomtest(seen, total, share).pvalue) if total else 1.0
