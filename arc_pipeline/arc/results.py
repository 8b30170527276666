"""Tables over experiments: which columns a person sees, and what they show. Knows rows of metrics, no files."""

from collections.abc import Mapping, Sequence
from typing import Any

from arc_pipeline.arc.metrics import column_title

KEYS = ("experiment", "dataset", "decoding", "temperature")
SHOWN_METRICS = ("accuracy", "correct_pixels", "correct_size", "pass_n", "vote_2")
SHOWN_COUNTS = ("planned", "answered", "decoded")
TEMPERATURE_COLUMNS = [*KEYS, "n", "accuracy", "pass_n", "vote_2", "trace"]
DURATION_COLUMNS = ["experiment", "dataset", "model", "tuning", "rank", "max_steps", "n", *SHOWN_METRICS, "trace"]
RESULT_FIELDS = (
    *KEYS,
    *("n", "accuracy", "correct_pixels", "correct_size", "unanswered", "pass_n", "vote_1", "vote_2", "task_score"),
    *("task_solved", "pair_score", "planned", "answered", "decoded", "tasks", "test_pairs", "intervals", "trace"),
)


def percent(share: float) -> str:
    """A share from 0 to 1 as the tables show it."""
    return f"{100 * share:.1f}%"


def shown_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What a person reads of each row: the keys that it has, metrics as percent, counts."""
    names = ("experiment", "dataset", "tuning", "max_steps", "temperature", *SHOWN_METRICS, *SHOWN_COUNTS)
    kept = [
        name
        for name in names
        if rows and name in rows[0] and not (name in {"tuning", "max_steps"} and "planned" in rows[0])
    ]
    return [
        {column_title(name, row["n"]): percent(row[name]) if name in SHOWN_METRICS else str(row[name]) for name in kept}
        for row in rows
    ]


def duration_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The greedy rows, by dataset, capacity and steps."""
    greedy = [row for row in rows if row["temperature"] == 0]
    return sorted(greedy, key=lambda row: (row["dataset"], row["tuning"], row["rank"], row["max_steps"]))


def what_it_shows(rows: Sequence[Mapping[str, Any]], fixed: str, bug: str) -> str:
    """The demo's finding in one line: what the augmentation bug of the seed costs."""
    vote = {row["experiment"]: row["vote_2"] for row in rows if row["temperature"] == 0}
    return (
        f"At temperature 0, vote_2 is {percent(vote[fixed])} where test pairs are trained on ({fixed}) and "
        f"{percent(vote[bug])} where the bug keeps them out ({bug}): "
        f"the bug costs {100 * (vote[fixed] - vote[bug]):.0f} points, with nothing else changed."
    )
