"""The metrics: of each its name, formula, description, direction and place in tables. To add one, write its formula
here and list it in METRICS.

The denominator is what was planned: a candidate that is undecodable or missing, and a task without predictions, count
as wrong and `unanswered`. Knows nothing of tables, experiments or files.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import ne
from typing import Any, Literal

from arc_pipeline.arc.evaluation.bootstrap import Floats
from arc_pipeline.arc.tasks.task import Grid, shape


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is known of a metric. At each level the formula takes something else:

    `pair`: a ScoredPair; a task's value is the mean of its pairs. `task`: the values of the metric `of` for the test
    pairs of a task. `dataset`: the values of `of` for all tasks, and how many test pairs each has; it returns the
    numerators and denominators, one a task, of the dataset's value.
    """

    name: str
    formula: Callable[..., Any]
    level: Literal["pair", "task", "dataset"] = "pair"
    of: str = ""
    higher_is_better: bool = True
    # in tables for people, at its place among the columns, from 0, or behind all that have one; in those over
    # temperatures too
    shown: bool = False
    place: int = 9
    at_temperatures: bool = False
    # pass_n: comparable only at the same n, with which its title is written
    depends_on_n: bool = False
    # the ranking that it needs beside votes; tables of candidates that were not ranked so lack it
    ranking: str = ""

    @property
    def description(self) -> str:
        """What it means, in a sentence."""
        return " ".join((self.formula.__doc__ or "").split())

    @property
    def direction(self) -> int:
        """1 if higher is better, else -1."""
        return 1 if self.higher_is_better else -1

    def title(self, n: int) -> str:
        """Its name as tables show it: `pass_n` with the number of candidates, `pass_32`."""
        return self.name.replace("_n", f"_{n}") if self.depends_on_n else self.name


def metric(name: str, **about: Any) -> Callable[[Callable[..., Any]], Metric]:
    """Makes a metric of its formula, whose docstring describes it; `about` are fields of Metric."""
    return lambda formula: Metric(name=name, formula=formula, **about)


@dataclass(frozen=True)
class ScoredPair:
    """The distinct grids for one test pair, best rank first, against its true output of `cells` cells.

    `votes` and `wrong` have one entry a grid; a grid has None wrong cells if its shape is not that of the truth.
    `chosen`: the wrong cells of the two attempts by each other ranking that there is.
    """

    votes: tuple[int, ...]
    wrong: tuple[int | None, ...]
    cells: int
    planned: int
    chosen: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)

    def right_size(self) -> list[tuple[int, int]]:
        """(votes, wrong cells) of the grids whose shape is right."""
        return [(votes, wrong) for votes, wrong in zip(self.votes, self.wrong, strict=True) if wrong is not None]


@metric("accuracy", shown=True, at_temperatures=True, place=0)
def accuracy(pair: ScoredPair) -> float:
    """Exact matches, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return sum(votes for votes, wrong in pair.right_size() if wrong == 0) / pair.planned


@metric("correct_size", shown=True, place=2)
def correct_size(pair: ScoredPair) -> float:
    """Grids of the right shape, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return sum(votes for votes, _ in pair.right_size()) / pair.planned


@metric("correct_pixels", shown=True, place=1)
def correct_pixels(pair: ScoredPair) -> float:
    """Right cells of grids of the right shape, others 0, share from 0 to 1 over the planned candidates, then over pairs
    and tasks."""
    return sum(votes * (pair.cells - wrong) / pair.cells for votes, wrong in pair.right_size()) / pair.planned


@metric("unanswered", higher_is_better=False)
def unanswered(pair: ScoredPair) -> float:
    """Completions that are no grid, share from 0 to 1 over the planned candidates, then over pairs and tasks."""
    return (pair.planned - sum(pair.votes)) / pair.planned


@metric("pass_n", shown=True, at_temperatures=True, depends_on_n=True)
def pass_n(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with an exact match among n candidates."""
    return float(0 in pair.wrong)


@metric("vote_1")
def vote_1(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, whose most voted grid is right."""
    return float(0 in pair.wrong[:1])


@metric("vote_2", shown=True, at_temperatures=True)
def vote_2(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with the right grid among the two most voted."""
    return float(0 in pair.wrong[:2])


@metric("score_2", shown=True, at_temperatures=True, ranking="score")
def score_2(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with the right grid among the two that are likeliest under all views:
    by the product of their probabilities."""
    return float(0 in pair.chosen["score"])


@metric("both_2", shown=True, at_temperatures=True, ranking="both")
def both_2(pair: ScoredPair) -> float:
    """Share of test pairs, averaged within tasks, with the right grid among the two with the highest product of votes
    and mean probability (geometric, over the views)."""
    return float(0 in pair.chosen["both"])


@metric("task_score", level="task", of="vote_2")
def task_score(solved: Sequence[float]) -> float:
    """Official score: share of a task's test pairs solved within two attempts, averaged over tasks."""
    return sum(solved) / len(solved)


@metric("task_solved", level="task", of="vote_2")
def task_solved(solved: Sequence[float]) -> float:
    """Share of tasks all of whose test pairs are solved within two attempts."""
    return min(solved)


@metric("pair_score", level="dataset", of="vote_2")
def pair_score(solved: Floats, test_pairs: Floats) -> tuple[Floats, Floats]:
    """Share of all test pairs solved within two attempts, all weighing the same."""
    return solved * test_pairs, test_pairs


# in the order of the stored columns
METRICS: tuple[Metric, ...] = (
    *(accuracy, correct_size, correct_pixels, unanswered, pass_n, vote_1, vote_2),
    *(task_score, task_solved, pair_score),
)
# of candidates that were ranked by more than votes: the tables of others lack them
RANKED_METRICS: tuple[Metric, ...] = (score_2, both_2)


def metric_names(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """The names of metrics."""
    return tuple(each.name for each in metrics)


def in_tables(metrics: Iterable[Metric]) -> list[Metric]:
    """Metrics in the order of the columns of tables."""
    return sorted(metrics, key=lambda each: each.place)


def ranked_in(columns: Iterable[Hashable]) -> tuple[str, ...]:
    """The names of RANKED_METRICS that are among columns."""
    there = set(columns)
    return tuple(each.name for each in RANKED_METRICS if each.name in there)


BY_NAME = {each.name: each for each in (*METRICS, *RANKED_METRICS)}
PAIR_METRICS = metric_names(each for each in METRICS if each.level == "pair")
TASK_METRICS = metric_names(each for each in METRICS if each.level != "dataset")
SHOWN_METRICS = metric_names(each for each in in_tables(METRICS) if each.shown)
TEMPERATURE_METRICS = metric_names(each for each in in_tables(METRICS) if each.at_temperatures)


def wrong_cells(grid: Grid, truth: Grid) -> int | None:
    """In how many cells the grid differs from the truth; None if their shapes differ."""
    if shape(grid) != shape(truth):
        return None
    return sum(sum(map(ne, row, true_row)) for row, true_row in zip(grid, truth, strict=True) if row != true_row)
