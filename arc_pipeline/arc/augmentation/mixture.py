"""Whether training datasets are mixed as their weights say. Knows the table of recipes, not how it was drawn."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from arc_pipeline.arc.augmentation.checks import SIGNIFICANCE, Verdict, binomial
from arc_pipeline.arc.augmentation.recipes import task_weight, usable_tasks
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Task

Source = tuple[str, str]


def declared_shares(
    train: Sequence[TrainingData], tasks: Mapping[str, Sequence[Task]], config: AugmentationConfig
) -> dict[Source, float]:
    """The chance of each (dataset, prompt): its part of all weights, or of all usable tasks where none has a weight."""
    parts: dict[Source, float] = {}
    for source in train:
        if usable := len(usable_tasks(tasks[source.dataset], config)):
            key = source.dataset, source.prompt
            parts[key] = parts.get(key, 0.0) + usable * task_weight(source, usable)
    return {key: part / sum(parts.values()) for key, part in parts.items()}


def datasets_are_mixed_by_weight(draws: pa.Table, shares: Mapping[Source, float]) -> Verdict:
    """Each training dataset is drawn as often as its weight says, without weights as often as it has tasks."""
    counts = Counter(zip(draws["dataset"].to_pylist(), draws["prompt"].to_pylist(), strict=True))
    if len(counts.keys() | shares.keys()) < 2:
        return Verdict(True, "not applicable: there is one training dataset, with one prompt")
    p_values = {
        key: binomial(counts[key], draws.num_rows, shares.get(key, 0.0)) for key in counts.keys() | shares.keys()
    }
    p_value = min(1.0, min(p_values.values()) * len(p_values))
    words = [_words(key, counts[key], shares.get(key, 0.0) * draws.num_rows) for key in sorted(p_values)]
    failed = p_value < SIGNIFICANCE
    return Verdict(not failed, f"{'; '.join(words)}: p = {p_value:.2g}", tuple(words) if failed else ())


def _words(source: Source, drawn: int, expected: float) -> str:
    return f"{' with '.join(source)}: {drawn} drawn, {expected:.0f} expected"
