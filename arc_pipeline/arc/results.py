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
    "contamination",
)


def percent(share: float) -> str:
    """A share from 0 to 1 as the tables show it."""
    return f"{100 * share:.1f}%"


def shown_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What a person reads of each row, the same columns of all: keys, metrics as percent, counts.

    `pass_n` has its number in the title where that is the same for all rows, otherwise there is a column `n`.
    """
    sizes = {row["n"] for row in rows}
    names = [name for name in _shown_names(rows) if name != "n" or len(sizes) > 1]
    titles = {name: column_title(name, *sizes) if len(sizes) == 1 else name for name in names}
    return [{titles[name]: _shown(name, row[name]) for name in names} for row in rows]


def _shown_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those that every row has; what was trained is told only where there are no temperatures to compare."""
    compared = ("temperature",) if any("temperature" in row for row in rows) else ("tuning", "max_steps")
    names = ("experiment", "dataset", *compared, "n", *SHOWN_METRICS, *SHOWN_COUNTS, "contamination")
    return [name for name in names if all(name in row for row in rows)]


def _shown(name: str, value: Any) -> str:
    return percent(value) if name in SHOWN_METRICS else str(value)


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
