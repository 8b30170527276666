"""Facts that must hold of a table of recipes, tested against the distribution that the experiment declares.

The seed's bug (no test pair was ever a target) is one such fact; none of them needs a model or a text.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.settings import AugmentationConfig
from arc_pipeline.arc.tasks.task import N_COLOURS, Task

SIGNIFICANCE = 1e-6
EXPECTED_AT_LEAST = 20
EXPECTED_FOR_CHI_SQUARE = 5
NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Verdict:
    """Whether a fact holds, in words, with the offending ids."""

    passed: bool
    description: str
    offenders: tuple[str, ...] = ()


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
    per_task: Counter[tuple[str, str]] = Counter()
    for (dataset, task_id, _), count in drawn.items():
        per_task[dataset, task_id] += count
    return [
        Exposure(dataset, task.task_id, pair, task.is_test(pair), share * per_task[dataset, task.task_id], *counts)
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
    """All test pairs together: enough to see the seed's bug in a table too short for any single pair."""

    pairs: tuple[Exposure, ...]
    drawn: int
    expected: float
    draws: int

    @classmethod
    def of(cls, found: Sequence[Exposure]) -> "AllTestPairs":
        """The test pairs among `found`; `draws` are those of the tasks that have test pairs."""
        tests = sorted((each for each in found if each.is_test), key=lambda each: each.drawn - each.expected)
        tasks = {(each.dataset, each.task_id) for each in tests}
        draws = sum(each.drawn for each in found if (each.dataset, each.task_id) in tasks)
        return cls(tuple(tests), sum(each.drawn for each in tests), sum(each.expected for each in tests), draws)

    @property
    def never_drawn(self) -> bool:
        """Whether all are missing though they are expected; draws that were too long would explain it."""
        return not self.drawn and self.expected >= EXPECTED_AT_LEAST

    @property
    def p_value(self) -> float:
        """Exact; it errs on the safe side where tasks have different shares of test pairs."""
        return binomial(self.drawn, self.draws, min(1.0, self.expected / self.draws)) if self.draws else 1.0

    def __str__(self) -> str:
        return (
            f"{len(self.pairs)} test pairs together: {self.drawn} of {self.draws} draws, {self.expected:.0f} expected"
        )


def every_test_pair_is_a_target(found: Sequence[Exposure]) -> Verdict:
    """No test pair that is expected often enough to be seen is missing among the targets, nor are all together."""
    tests, together = [each for each in found if each.is_test], AllTestPairs.of(found)
    if not tests:
        return Verdict(True, "not applicable: the training datasets have no test pairs")
    missing = [each for each in tests if not each.accepted and each.expected_accepted >= EXPECTED_AT_LEAST]
    if together.never_drawn and not missing:
        return Verdict(False, f"no test pair is ever a target; {together}", _names(together.pairs))
    words = f"{len(missing)} of {len(tests)} test pairs, expected {EXPECTED_AT_LEAST} times or more, are never a target"
    return Verdict(not missing, words, _names(missing))


def every_pair_is_a_target_evenly(found: Sequence[Exposure]) -> Verdict:
    """Pairs are drawn as targets as often as the target rule says: within each task, and all test pairs together."""
    forbidden = [each for each in found if each.drawn and not each.expected]
    absent = [each for each in found if not each.drawn and each.expected >= EXPECTED_AT_LEAST]
    cells = _comparable(found)
    freedom = len(cells) - len({(each.dataset, each.task_id) for each in cells})
    p_value = (
        _chi_square([each.drawn for each in cells], [each.expected for each in cells], freedom) if freedom else 1.0
    )
    uneven = sorted(cells, key=lambda each: -abs(each.drawn - each.expected)) if p_value < SIGNIFICANCE else []
    together = AllTestPairs.of(found)
    offenders = forbidden or absent or uneven or (together.pairs if together.p_value < SIGNIFICANCE else ())
    if not (freedom or together.draws or offenders):
        often = f"expected {EXPECTED_FOR_CHI_SQUARE} times or more"
        return Verdict(True, f"not applicable: there are no test pairs, and no task has two pairs that are {often}")
    words = f"targets against the declared rule: p = {p_value:.2g} over {len(cells)} pairs"
    counts = f"{len(absent)} pairs never drawn, {len(forbidden)} drawn against the rule"
    pooled = f"; {together}: p = {together.p_value:.2g}" if together.pairs else ""
    return Verdict(not offenders, f"{words}, {counts}{pooled}", _names(offenders))


def _comparable(found: Sequence[Exposure]) -> list[Exposure]:
    """The pairs that can be targets, of all tasks that were drawn often enough for a chi-square test."""
    allowed = [each for each in found if each.expected]
    groups = [group for group in _by_task(allowed) if min(each.expected for each in group) >= EXPECTED_FOR_CHI_SQUARE]
    return [each for group in groups for each in group]


def _by_task(found: Sequence[Exposure]) -> Iterator[list[Exposure]]:
    groups: dict[tuple[str, str], list[Exposure]] = {}
    for each in found:
        groups.setdefault((each.dataset, each.task_id), []).append(each)
    yield from groups.values()


def _names(found: Sequence[Exposure]) -> tuple[str, ...]:
    names = [f"{each.name}: {each.drawn} drawn, {round(each.expected, 1):g} expected" for each in found]
    return tuple(names[:NAMED_AT_MOST])


def _chi_square(observed: Sequence[int], expected: Sequence[float], freedom: int) -> float:
    from scipy.stats import chi2

    statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in zip(observed, expected, strict=True))
    return float(chi2.sf(statistic, freedom))


def binomial(seen: int, total: int, share: float) -> float:
    """The probability of a count that is as unlikely as the seen one, or more (two-sided, exact)."""
    from scipy.stats import binomtest

    return float(binomtest(seen, total, share).pvalue)


def transforms_are_uniform(draws: pa.Table, config: AugmentationConfig) -> Verdict:
    """All 8 transforms occur equally often, or only the identity where the experiment has no transforms."""
    counts = Counter(draws["transform"].to_pylist())
    declared = TRANSFORM_NAMES if config.geometric else ("identity",)
    if others := tuple(f"{name}: {counts[name]}" for name in sorted(counts.keys() - {*declared})):
        return Verdict(False, f"{len(others)} transforms are not among those declared: {', '.join(declared)}", others)
    if not config.geometric:
        return Verdict(True, "no geometric transform is declared")
    expected = draws.num_rows / len(TRANSFORM_NAMES)
    observed = [counts[name] for name in TRANSFORM_NAMES]
    p_value = _chi_square(observed, [expected] * len(observed), len(observed) - 1)
    passed = p_value >= SIGNIFICANCE and (all(observed) or expected < EXPECTED_AT_LEAST)
    words = f"8 transforms, each expected {expected:.0f} times: p = {p_value:.2g}"
    return Verdict(passed, words, () if passed else tuple(f"{name}: {counts[name]}" for name in TRANSFORM_NAMES))


def colour_maps_are_permutations(draws: pa.Table, config: AugmentationConfig) -> Verdict:
    """Every colour map is a permutation of 0-9, and the background stays as often as declared."""
    maps = Counter(tuple(each) for each in draws["colour_map"].to_pylist())
    identity = tuple(range(N_COLOURS))
    wrong = [each for each in maps if sorted(each) != list(identity) or not (config.colours or each == identity)]
    if wrong or not config.colours:
        words = (
            "are no permutation of 0-9" if config.colours else "move a colour, and no colour permutation is declared"
        )
        offenders = tuple(str(list(each)) for each in wrong[:NAMED_AT_MOST])
        return Verdict(not wrong, f"{len(wrong)} of {len(maps)} colour maps {words}", offenders)
    return _background(sum(count for each, count in maps.items() if each[0] == 0), draws.num_rows, config)


def _background(kept: int, total: int, config: AugmentationConfig) -> Verdict:
    share = 1 - config.background_probability * (1 - 1 / N_COLOURS)
    p_value = binomial(kept, total, share) if total else 1.0
    words = f"background kept in {kept} of {total} maps, expected share {share:.3f}: p = {p_value:.2g}"
    return Verdict(p_value >= SIGNIFICANCE, words)


def check_recipes(
    recipes: pa.Table, ledger: pa.Table, tasks: Mapping[str, Sequence[Task]], config: AugmentationConfig
) -> dict[str, Verdict]:
    """All verdicts by the name of their fact; draws that were too long count as draws, not as targets."""
    found = exposures(recipes, ledger, tasks, config)
    draws = pa.concat_tables([recipes, ledger]).select(["transform", "colour_map"])
    return {
        "every_test_pair_is_a_target": every_test_pair_is_a_target(found),
        "every_pair_is_a_target_evenly": every_pair_is_a_target_evenly(found),
        "transforms_are_uniform": transforms_are_uniform(draws, config),
        "colour_maps_are_permutations": colour_maps_are_permutations(draws, config),
    }


# the name of each fact, and what it says
RECIPE_CHECKS: dict[str, str] = {
    check.__name__: check.__doc__ or ""
    for check in (
        every_test_pair_is_a_target,
        every_pair_is_a_target_evenly,
        transforms_are_uniform,
        colour_maps_are_permutations,
    )
}


def summary(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON."""
    return {"passed": verdict.passed, "description": verdict.description, "offenders": list(verdict.offenders)}
