"""Facts that must hold of the examples of an experiment, tested against the distribution that it declares.

A check has its name, its rule and its words here and nowhere else: a function and its line in CHECKS. The bug of the
original study (no test pair was ever a target) is one such fact; none of them needs a model.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS, TRANSFORM_NAMES
from arc_pipeline.arc.augmentation.exposure import EXPECTED_AT_LEAST, AllTestPairs, Exposure, exposures
from arc_pipeline.arc.augmentation.recipes import Measure, Recipe, task_names, task_weight, usable_tasks
from arc_pipeline.arc.augmentation.verdict import NAMED_AT_MOST, SIGNIFICANCE, Verdict, binomial
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import N_COLOURS, Task

Tasks = Mapping[str, Sequence[Task]]
Source = tuple[str, str]
EXPECTED_FOR_CHI_SQUARE = 5


@dataclass(frozen=True)
class DrawnExamples:
    """What checks look at: the examples, the ledger of the draws that were too long, and what both should follow.

    `tasks` are those of the files, `seen` are the same as the training may see them: at test time without test pairs.
    """

    recipes: pa.Table
    ledger: pa.Table
    tasks: Tasks
    seen: Tasks
    train: Sequence[TrainingData]
    config: AugmentationConfig
    measure: Measure
    test_time: Literal["dataset", "task"] | None = None

    @cached_property
    def draws(self) -> pa.Table:
        """All draws; one that was too long is a draw, too, but no target."""
        return pa.concat_tables([self.recipes, self.ledger])

    @cached_property
    def exposures(self) -> list[Exposure]:
        """How often each pair was the target."""
        return exposures(self.recipes, self.ledger, self.seen, self.config)


# --- which pairs are targets


def every_test_pair_is_a_target(drawn: DrawnExamples) -> Verdict:
    """No test pair that is expected often enough to be seen is missing among the targets, nor are all together."""
    tests, together = [pair for pair in drawn.exposures if pair.is_test], AllTestPairs.of(drawn.exposures)
    if not tests:
        return Verdict(True, "not applicable: the training datasets have no test pairs")
    missing = [pair for pair in tests if not pair.accepted and pair.expected_accepted >= EXPECTED_AT_LEAST]
    if together.never_drawn and not missing:
        return Verdict(False, f"no test pair is ever a target; {together}", _counts(together.pairs))
    words = f"{len(missing)} of {len(tests)} test pairs, expected {EXPECTED_AT_LEAST} times or more, are never a target"
    return Verdict(not missing, words, _counts(missing))


def every_pair_is_a_target_evenly(drawn: DrawnExamples) -> Verdict:
    """Pairs are drawn as targets as often as the target rule says: within each task, and all test pairs together."""
    from scipy.stats import chi2

    pairs, together = drawn.exposures, AllTestPairs.of(drawn.exposures)
    forbidden = [pair for pair in pairs if pair.drawn and not pair.expected]
    absent = [pair for pair in pairs if not pair.drawn and pair.expected >= EXPECTED_AT_LEAST]
    cells = _comparable(pairs)
    freedom = len(cells) - len({pair.task for pair in cells})
    statistic = sum((pair.drawn - pair.expected) ** 2 / pair.expected for pair in cells)
    p_value = float(chi2.sf(statistic, freedom)) if freedom else 1.0
    uneven = sorted(cells, key=lambda pair: -abs(pair.drawn - pair.expected)) if p_value < SIGNIFICANCE else []
    offenders = forbidden or absent or uneven or (together.pairs if together.p_value < SIGNIFICANCE else ())
    if not (freedom or together.draws or offenders):
        often = f"expected {EXPECTED_FOR_CHI_SQUARE} times or more"
        return Verdict(True, f"not applicable: there are no test pairs, and no task has two pairs that are {often}")
    words = f"targets against the declared rule: p = {p_value:.2g} over {len(cells)} pairs"
    counts = f"{len(absent)} pairs never drawn, {len(forbidden)} drawn against the rule"
    pooled = f"; {together}: p = {together.p_value:.2g}" if together.pairs else ""
    return Verdict(not offenders, f"{words}, {counts}{pooled}", _counts(offenders))


def _comparable(pairs: Sequence[Exposure]) -> list[Exposure]:
    """The pairs that can be targets, of all tasks that were drawn often enough for a chi-square test."""
    tasks: dict[tuple[str, str], list[Exposure]] = {}
    for pair in pairs:
        if pair.expected:
            tasks.setdefault(pair.task, []).append(pair)
    often = (task for task in tasks.values() if min(pair.expected for pair in task) >= EXPECTED_FOR_CHI_SQUARE)
    return [pair for task in often for pair in task]


def _counts(pairs: Sequence[Exposure]) -> tuple[str, ...]:
    words = [f"{pair.name}: {pair.drawn} drawn, {round(pair.expected, 1):g} expected" for pair in pairs]
    return tuple(words[:NAMED_AT_MOST])


# --- how they are augmented


def transforms_are_uniform(drawn: DrawnExamples) -> Verdict:
    """All 8 transforms occur equally often, or only the identity where the experiment has no transforms."""
    from scipy.stats import chisquare

    counts = Counter({row["values"]: row["counts"] for row in pc.value_counts(drawn.draws["transform"]).to_pylist()})
    declared = TRANSFORM_NAMES if drawn.config.geometric else ("identity",)
    if others := tuple(f"{name}: {counts[name]}" for name in sorted(counts.keys() - {*declared})):
        return Verdict(False, f"{len(others)} transforms are not among those declared: {', '.join(declared)}", others)
    if not drawn.config.geometric:
        return Verdict(True, "no geometric transform is declared")
    expected = drawn.draws.num_rows / len(TRANSFORM_NAMES)
    observed = [counts[name] for name in TRANSFORM_NAMES]
    p_value = float(chisquare(observed).pvalue)
    passed = p_value >= SIGNIFICANCE and (all(observed) or expected < EXPECTED_AT_LEAST)
    words = f"8 transforms, each expected {expected:.0f} times: p = {p_value:.2g}"
    return Verdict(passed, words, () if passed else tuple(f"{name}: {counts[name]}" for name in TRANSFORM_NAMES))


def colour_maps_are_permutations(drawn: DrawnExamples) -> Verdict:
    """Every colour map is a permutation of 0-9, and the background stays as often as declared."""
    declared = drawn.config.colours
    if declared and (kept := _kept_if_permutations(drawn.draws["colour_map"])) is not None:
        return _background(kept, drawn.draws.num_rows, drawn.config)
    maps = Counter(map(tuple, drawn.draws["colour_map"].to_pylist()))
    wrong = [
        colours
        for colours in maps
        if sorted(colours) != list(IDENTITY_COLOURS) or not (declared or colours == IDENTITY_COLOURS)
    ]
    words = "are no permutation of 0-9" if declared else "move a colour, and no colour permutation is declared"
    offenders = tuple(str(list(colours)) for colours in wrong[:NAMED_AT_MOST])
    return Verdict(not wrong, f"{len(wrong)} of {len(maps)} colour maps {words}", offenders)


def _kept_if_permutations(colour_maps: pa.ChunkedArray) -> int | None:
    """How many keep the background, if all are permutations of 0-9."""
    kept = 0
    for maps in colour_maps.chunks:
        if not pc.all(pc.equal(pc.list_value_length(maps), N_COLOURS), min_count=0).as_py():
            return None
        colours = maps.flatten().to_numpy(zero_copy_only=False).reshape(-1, N_COLOURS)
        if not (np.sort(colours, axis=1) == IDENTITY_COLOURS).all():
            return None
        kept += int((colours[:, 0] == 0).sum())
    return kept


def _background(kept: int, total: int, config: AugmentationConfig) -> Verdict:
    share = 1 - config.background_probability * (1 - 1 / N_COLOURS)
    p_value = binomial(kept, total, share)
    words = f"background kept in {kept} of {total} maps, expected share {share:.3f}: p = {p_value:.2g}"
    return Verdict(p_value >= SIGNIFICANCE, words)


# --- where they come from


def datasets_are_mixed_by_weight(drawn: DrawnExamples) -> Verdict:
    """Each training dataset is drawn as often as its weight says, without weights as often as it has tasks."""
    if drawn.test_time == "task":
        return Verdict(True, "not applicable: each task has an adapter of its own")
    shares, draws = declared_shares(drawn.train, drawn.seen, drawn.config), drawn.draws
    grouped = draws.group_by(["dataset", "prompt"]).aggregate([([], "count_all")]).to_pylist()
    counts = Counter({(row["dataset"], row["prompt"]): row["count_all"] for row in grouped})
    sources = sorted(counts.keys() | shares.keys())
    if len(sources) < 2:
        return Verdict(True, "not applicable: there is one training dataset, with one prompt")
    p_values = [binomial(counts[source], draws.num_rows, shares.get(source, 0.0)) for source in sources]
    p_value = min(1.0, min(p_values) * len(p_values))
    words = [
        f"{' with '.join(source)}: {counts[source]} drawn, {shares.get(source, 0.0) * draws.num_rows:.0f} expected"
        for source in sources
    ]
    failed = p_value < SIGNIFICANCE
    return Verdict(not failed, f"{'; '.join(words)}: p = {p_value:.2g}", tuple(words) if failed else ())


def declared_shares(train: Sequence[TrainingData], tasks: Tasks, config: AugmentationConfig) -> dict[Source, float]:
    """The chance of each (dataset, prompt): its part of all weights, or of all usable tasks where none has a weight."""
    parts: dict[Source, float] = {}
    for data in train:
        if usable := len(usable_tasks(tasks[data.dataset], config)):
            source = data.dataset, data.prompt
            parts[source] = parts.get(source, 0.0) + usable * task_weight(data, usable)
    return {source: part / sum(parts.values()) for source, part in parts.items()}


def every_task_is_short_enough(drawn: DrawnExamples) -> Verdict:
    """No task is too long at every draw: such a task is never trained on, whatever its dataset is called."""
    never = sorted("/".join(name) for name in task_names(drawn.ledger) - task_names(drawn.recipes))
    if not never:
        return Verdict(True, "every task that was drawn is in an example")
    words = f"never trained on, too long at every draw: {', '.join(never[:NAMED_AT_MOST])}"
    return Verdict(False, words + " ..." * (len(never) > NAMED_AT_MOST), tuple(never[:NAMED_AT_MOST]))


# --- what is hidden from them


def only_demonstrations_are_trained_on(drawn: DrawnExamples) -> Verdict:
    """At test time no example shows, targets or depends on a test pair of the evaluation tasks.

    Every example must name train pairs alone, and have the same tokens where its task has no others. Knows nothing of
    how test pairs are taken away before examples are drawn.
    """
    if not drawn.test_time:
        return Verdict(True, "not applicable: nothing is trained at test time")
    hidden = {
        (dataset, task.task_id): replace(task, test=()) for dataset, tasks in drawn.tasks.items() for task in tasks
    }
    rows = (row for batch in drawn.recipes.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    offenders = [words for row in rows if (words := _leak(row, hidden, drawn.measure))]
    # an adapter of one task is trained on nothing else
    offenders += _leaks_between_tasks(drawn, hidden) if drawn.test_time == "dataset" else []
    words = f"{drawn.recipes.num_rows} examples, {len(offenders)} problems; {_coincidences(drawn.tasks)}"
    return Verdict(not offenders, words, tuple(offenders[:NAMED_AT_MOST]))


def _leak(row: Mapping[str, Any], hidden: Mapping[tuple[str, str], Task], measure: Measure) -> str:
    """What is wrong with one example, empty if nothing is."""
    recipe = Recipe.from_row(row)
    task = hidden[recipe.dataset, recipe.task_id]
    place = f"example {row['example']}: {recipe.dataset}/{recipe.task_id}"
    for pair, how in ((recipe.target, "has as its target"), *((pair, "shows") for pair in recipe.demonstrations)):
        if pair >= len(task.train):
            return f"{place} {how} test pair {pair - len(task.train)}"
    if measure(recipe, task) != (row["n_tokens"], row["token_hash"]):
        return f"{place} has other tokens than its train pairs {[*recipe.demonstrations, recipe.target]} make"
    return ""


def _leaks_between_tasks(drawn: DrawnExamples, hidden: Mapping[tuple[str, str], Task]) -> list[str]:
    """Test pairs that another task demonstrates, of the same dataset or not, on which the same adapter is trained.

    Not those that their own task demonstrates too: the prompt shows them anyway. Pairs that are the same only up to
    augmentation are no fault, for they occur in ARC itself; the contamination of the results counts them.
    """
    recipes = drawn.recipes
    trained = dict.fromkeys(zip(recipes["dataset"].to_pylist(), recipes["task_id"].to_pylist(), strict=True))
    places = {pair: "/".join(name) for name in trained for pair in hidden[name].train}
    return [
        f"{dataset}/{task.task_id} test pair {number} is a train pair of {places[pair]}"
        for dataset, task in _by_dataset(drawn.tasks)
        for number, pair in enumerate(task.test)
        if pair in places and pair not in task.train
    ]


def _coincidences(tasks: Tasks) -> str:
    """A note: a task may demonstrate the output of a test pair as well."""
    tests = [(task, pair) for _, task in _by_dataset(tasks) for pair in task.test]
    alike = sum(pair.output in {shown.output for shown in task.train} for task, pair in tests)
    return (
        f"{alike} of {len(tests)} test outputs are outputs of a demonstration of their task too, as the files have it"
    )


def _by_dataset(tasks: Tasks) -> Iterator[tuple[str, Task]]:
    return ((dataset, task) for dataset, of_dataset in tasks.items() for task in of_dataset)


# --- all of them


@dataclass(frozen=True)
class Check:
    """A fact by its rule; whether an experiment file may say, under `expected_violations`, that it does not hold.

    The name stands in records and experiment files: it is written, so that renaming the rule does not change it.
    """

    name: str
    rule: Callable[[DrawnExamples], Verdict]
    may_be_expected: bool = True
    # it is said, and stops no training
    only_warns: bool = False

    @property
    def fact(self) -> str:
        return self.rule.__doc__ or ""


# named one by one, for the code version of the examples follows references and sees no registration
CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("every_test_pair_is_a_target", every_test_pair_is_a_target),
        Check("every_pair_is_a_target_evenly", every_pair_is_a_target_evenly),
        Check("transforms_are_uniform", transforms_are_uniform),
        Check("colour_maps_are_permutations", colour_maps_are_permutations),
        Check("datasets_are_mixed_by_weight", datasets_are_mixed_by_weight),
        Check("only_demonstrations_are_trained_on", only_demonstrations_are_trained_on, may_be_expected=False),
        Check("every_task_is_short_enough", every_task_is_short_enough, may_be_expected=False, only_warns=True),
    )
}


def check_examples(drawn: DrawnExamples) -> dict[str, Verdict]:
    """The verdicts of all checks, by name."""
    return {name: check.rule(drawn) for name, check in CHECKS.items()}
