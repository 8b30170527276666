"""Who leads on each dataset, what it was trained on and what it cost. Knows results and records, no screens."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arc_pipeline.arc.augmentation.contamination import SEEN, TRAINED_ON, UNSEEN
from arc_pipeline.arc.evaluation.results import greedy
from arc_pipeline.report.tables import Cell, by_dataset, metric_cell
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

LED_BY: Final = "vote_2"
LEADING: Final = (LED_BY, "accuracy")
WEIGHTS: Final = "model.safetensors"
BADGES: Final = (TRAINED_ON, SEEN, UNSEEN)
SHOWN_COMMIT, DAY = 10, 10


@dataclass(frozen=True)
class Origin:
    """Of a checkpoint: how many parameters (None if its weights are not there in one file), seconds of training, the
    day on which it was made, and the commit of the code."""

    parameters: int | None = None
    seconds: float | None = None
    day: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Entry:
    """An experiment on a dataset. `badge` is one of BADGES, `contamination` the words that the table has for it."""

    experiment: str
    dataset: str
    metrics: tuple[Cell, ...]
    contamination: str
    steps: int
    origin: Origin

    @property
    def badge(self) -> str:
        """What of the dataset it was trained on, in a word."""
        return next((name for name in BADGES if self.contamination.startswith(name)), UNSEEN)

    @property
    def stale(self) -> bool:
        """Whether its numbers do not hold any more."""
        return any(cell.stale for cell in self.metrics)


def leaderboard(results: "DataFrame", origin: Callable[[str], Origin]) -> list[Entry]:
    """The rows of greedy decoding, dataset by dataset, the highest vote_2 first."""
    return [
        Entry(
            row["experiment"],
            dataset,
            tuple(metric_cell(row, metric) for metric in LEADING),
            row["contamination"] or UNSEEN,
            int(row["max_steps"]),
            origin(row["experiment"]),
        )
        for dataset, rows in by_dataset(greedy(results))
        for row in rows.sort_values(LED_BY, ascending=False, kind="stable").to_dict("records")
    ]


def conclusions(entries: Sequence[Entry]) -> list[str]:
    """A sentence a dataset: which experiment leads, and what speaks against relying on it."""
    of_dataset: dict[str, list[Entry]] = {}
    for entry in entries:
        of_dataset.setdefault(entry.dataset, []).append(entry)
    return [_conclusion(dataset, found) for dataset, found in of_dataset.items()]


def _conclusion(dataset: str, entries: Sequence[Entry]) -> str:
    first, *others = entries
    leading = first.metrics[0]
    if not others:
        lead = "is the only experiment"
    elif leading.best:
        lead = f"beats {len(others)} other{'s' if len(others) > 1 else ''} beyond chance"
    else:
        lead = f"is the highest of {len(entries)}, but not beyond chance"
    words = f"{dataset}: {first.experiment} {lead}, {LED_BY} {leading.text} % {leading.interval}"
    reservations = [f"its evaluation is {first.badge}"] * (first.badge != UNSEEN)
    if stale := sum(entry.stale for entry in entries):
        reservations.append(f"{stale} of {len(entries)} {'is' if stale == 1 else 'are'} stale")
    return "; ".join([words, *reservations])


def origin_of(store: Store, experiment: str) -> Origin:
    """What the record of the current checkpoint says; nothing where there is none."""
    record = store.lineage(Artefact("checkpoint", experiment))
    if record is None:
        return Origin()
    seconds = record.metadata.get("training_seconds", record.seconds)
    commit, _, dirty = record.environment.get("git_commit", "").partition("-")
    return Origin(
        parameters=parameters_in(store.content(record) / WEIGHTS),
        seconds=float(seconds),
        day=record.created_at[:DAY],
        commit=commit[:SHOWN_COMMIT] + f"-{dirty}" * bool(dirty),
    )


def parameters_in(weights: Path) -> int | None:
    """How many numbers a file of weights has, by its head alone; None if it is not there or not such a file."""
    try:
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(size)) if size <= weights.stat().st_size else {}
        shapes = [each["shape"] for name, each in head.items() if name != "__metadata__"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return sum(map(prod, shapes)) or None
