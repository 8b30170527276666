"""How often each pair of a task was drawn as the target, against how often the target rule says. Judges nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from arc_pipeline.arc.augmentation.verdict import binomial
from arc_pipeline.arc.settings import AugmentationConfig
from arc_pipeline.arc.tasks.task import Task

EXPECTED_AT_LEAST = 20


@dataclass(frozen=True)
class Exposure:
    """How often one pair was drawn as the target, and how often it was accepted (was not too long)."""

    dataset: str
    task_id: str
    pair: int
    is_test: bool
    expected: float
    drawn: int
    accepted: int

    @property
    def task(self) -> tuple[str, str]:
        """Identifies its task."""
        return self.dataset, self.task_id

    @property
    def name(self) -> str:
        """Names the pair for a person."""
        return f"{self.dataset}/{self.task_id} pair {self.pair}{' (test)' if self.is_test else ''}"

    @property
    def expected_accepted(self) -> float:
        """What the declared target rule expects, less what the length ledger explains."""
        return self.expected * (self.accepted / self.drawn if self.drawn else 1.0)


def exposures(
    recipes: pa.Table, ledger: pa.Table, tasks: Mapping[str, Sequence[Task]], config: AugmentationConfig
) -> list[Exposure]:
    """One entry for each pair that can be a target, or was one against the rule.

    `expected` follows the rule `any`, or `test-only` if declared.
    """
    accepted = _targets(recipes)
    drawn = accepted + _targets(ledger)
    draws_of_task: Counter[tuple[str, str]] = Counter()
    for (dataset, task_id, _), count in drawn.items():
        draws_of_task[dataset, task_id] += count
    return [
        Exposure(dataset, task.task_id, pair, task.is_test(pair), share * draws_of_task[dataset, task.task_id], *counts)
        for dataset in tasks
        for task in tasks[dataset]
        for pair, share in _target_shares(task, config).items()
        for counts in [(drawn[dataset, task.task_id, pair], accepted[dataset, task.task_id, pair])]
        if share or any(counts)
    ]


def _targets(table: pa.Table) -> Counter[tuple[str, str, int]]:
    grouped = table.group_by(["dataset", "task_id", "target"]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(row["dataset"], row["task_id"], row["target"]): row["count_all"] for row in grouped})


def _target_shares(task: Task, config: AugmentationConfig) -> dict[int, float]:
    only_test = config.target == "test-only" and bool(task.test)
    allowed = [pair for pair in range(len(task.pairs)) if task.is_test(pair) or not only_test]
    return {pair: (pair in allowed) / len(allowed) for pair in range(len(task.pairs))}


@dataclass(frozen=True)
class AllTestPairs:
    """All test pairs together: enough to see that none is ever a target, in a table too short for any single pair."""

    pairs: tuple[Exposure, ...]
    drawn: int
    expected: float
    draws: int

    @classmethod
    def of(cls, pairs: Sequence[Exposure]) -> "AllTestPairs":
        """The test pairs among `pairs`; `draws` are those of the tasks that have test pairs."""
        tests = sorted((pair for pair in pairs if pair.is_test), key=lambda pair: pair.drawn - pair.expected)
        tasks = {pair.task for pair in tests}
        draws = sum(pair.drawn for pair in pairs if pair.task in tasks)
        return cls(tuple(tests), sum(pair.drawn for pair in tests), sum(pair.expected for pair in tests), draws)

    @property
    def never_drawn(self) -> bool:
        """Whether all are missing though they are expected; draws that were too long would explain it."""
        return not self.drawn and self.expected >= EXPECTED_AT_LEAST

    @property
    def p_value(self) -> float:
        """Exact; it errs on the safe side where tasks have different shares of test pairs."""
        return binomial(self.drawn, self.draws, min(1.0, self.expected / self.draws) if self.draws else 0.0)

    def __str__(self) -> str:
        return (
            f"{len(self.pairs)} test pairs together: {self.drawn} of {self.draws} draws, {self.expected:.0f} expected"
        )
