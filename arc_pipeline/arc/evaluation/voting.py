"""Votes: ranks the decoded candidates of each test pair, and makes the attempts and Kaggle's submission of them.

Knows no true outputs and no files: whether an attempt is right is for metrics, failures and score to say.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.tasks.task import Grid, Task
from arc_pipeline.errors import Fault, FaultyInput

PairKey: TypeAlias = tuple[str, str, int]

PAIR_COLUMNS = ("dataset", "task_id", "test_index")
GRID_TYPE = pa.list_(pa.list_(pa.int8()))
ATTEMPTS_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("test_index", pa.int16()),
        ("rank", pa.int32()),
        ("grid", GRID_TYPE),
        ("votes", pa.int32()),
        ("mean_logprob", pa.float64()),
        ("first_candidate_index", pa.int32()),
    ]
)
VOTES = "vote"
# how candidates can be ranked -> the column of an attempts table, of which only the first is always there
RANKINGS = {VOTES: "rank", "score": "score_rank", "both": "both_rank"}
ATTEMPT_NAMES = ("attempt_1", "attempt_2")
FILLER: Grid = ((0,),)


class Candidate(NamedTuple):
    """One answer of the model; `logprob` is the sum over its `n_tokens` tokens, `grid` is None if undecodable."""

    candidate_index: int
    grid: Grid | None
    logprob: float | None
    n_tokens: int | None

    @property
    def logprob_per_token(self) -> float:
        """Minus infinity where it is unknown: such a sample never wins a tie."""
        if not self.n_tokens or self.logprob is None or not math.isfinite(self.logprob):
            return -math.inf
        return self.logprob / self.n_tokens


class RankedCandidate(NamedTuple):
    """A distinct grid with the candidates that voted for it; `mean_logprob` is their mean, per token."""

    grid: Grid
    votes: int
    mean_logprob: float
    first_candidate_index: int


def rank(candidates: Iterable[Candidate]) -> list[RankedCandidate]:
    """The distinct grids of one test pair: most votes first, then the highest mean_logprob, then first seen."""
    samples: dict[Grid, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.grid is not None:
            samples[candidate.grid].append(candidate)
    ranked = [_ranked(grid, voters) for grid, voters in samples.items()]
    return sorted(ranked, key=lambda one: (-one.votes, -one.mean_logprob, one.first_candidate_index))


def _ranked(grid: Grid, voters: Sequence[Candidate]) -> RankedCandidate:
    # fsum is exact: a plain sum would let the order of the rows break ties
    mean = math.fsum(voter.logprob_per_token for voter in voters) / len(voters)
    return RankedCandidate(grid, len(voters), mean, min(voter.candidate_index for voter in voters))


def attempts_table(predictions: pa.Table) -> pa.Table:
    """All distinct decoded grids of all test pairs, ranked from 1, sorted by test pair; see ATTEMPTS_SCHEMA."""
    keys = pair_keys(predictions)
    row_of = _row_of_candidate(keys, predictions.column("candidate_index").to_pylist())
    by_pair = candidates_by_pair(predictions)
    ranked = [(key, place, one) for key in sorted(by_pair) for place, one in enumerate(rank(by_pair[key]), start=1)]
    first_rows = pa.array([row_of[key, one.first_candidate_index] for key, _, one in ranked], pa.int64())
    columns: dict[str, Any] = {name: [key[i] for key, _, _ in ranked] for i, name in enumerate(PAIR_COLUMNS)}
    columns["rank"] = [place for _, place, _ in ranked]
    columns["grid"] = predictions.column("grid").cast(GRID_TYPE).take(first_rows)
    for name in ("votes", "mean_logprob", "first_candidate_index"):
        columns[name] = [getattr(one, name) for _, _, one in ranked]
    return pa.table(columns, schema=ATTEMPTS_SCHEMA)


def _row_of_candidate(keys: Sequence[PairKey], indices: Sequence[int]) -> dict[tuple[PairKey, int], int]:
    rows: dict[tuple[PairKey, int], int] = {}
    for row, candidate in enumerate(zip(keys, indices, strict=True)):
        if rows.setdefault(candidate, row) != row:
            place = f"{pair_name(candidate[0])}, candidate {candidate[1]}"
            raise FaultyInput([Fault("predictions", place, "a candidate has one row, or it would vote twice")])
    return rows


def candidates_by_pair(predictions: pa.Table) -> dict[PairKey, list[Candidate]]:
    """The rows of a table of predictions, in its order."""
    by_pair: dict[PairKey, list[Candidate]] = defaultdict(list)
    for key, candidate in zip(pair_keys(predictions), _candidates(predictions), strict=True):
        by_pair[key].append(candidate)
    return by_pair


def _candidates(predictions: pa.Table) -> Iterable[Candidate]:
    index, logprob, n_tokens = (predictions.column(c).to_pylist() for c in ("candidate_index", "logprob", "n_tokens"))
    return map(Candidate, index, grids(predictions.column("grid")), logprob, n_tokens)


def pair_keys(table: pa.Table) -> list[PairKey]:
    """(dataset, task id, test index) of every row."""
    return list(zip(*(table.column(name).to_pylist() for name in PAIR_COLUMNS), strict=True))


def pair_name(key: PairKey) -> str:
    """A test pair, as messages name it."""
    return f"{key[0]}, task {key[1]}, test pair {key[2]}"


def grids(column: pa.ChunkedArray) -> list[Grid | None]:
    """The grids of a table's column, read through one buffer: `to_pylist` would take most of the time of a ranking."""
    lists = column.cast(GRID_TYPE).combine_chunks()
    cells = lists.values.values.to_numpy().tobytes()
    rows = [tuple(cells[start:end]) for start, end in pairwise(lists.values.offsets.to_pylist())]
    spans = pairwise(lists.offsets.to_pylist())
    valid = lists.is_valid().to_pylist()
    return [tuple(rows[start:end]) if ok else None for ok, (start, end) in zip(valid, spans, strict=True)]


def ranked_by_pair(attempts: pa.Table, ranking: str = VOTES) -> dict[PairKey, list[RankedCandidate]]:
    """The rows of an attempts table by test pair, best rank first, by one of RANKINGS."""
    names = ("votes", "mean_logprob", "first_candidate_index")
    ordered = attempts.sort_by(RANKINGS[ranking])
    ranked: dict[PairKey, list[RankedCandidate]] = defaultdict(list)
    values = (ordered.column(name).to_pylist() for name in names)
    for key, *fields in zip(pair_keys(ordered), grids(ordered.column("grid")), *values, strict=True):
        ranked[key].append(RankedCandidate(*fields))
    return dict(ranked)


def rankings_of(attempts: pa.Table) -> list[str]:
    """Those of RANKINGS that an attempts table has."""
    return [ranking for ranking, column in RANKINGS.items() if column in attempts.column_names]


def submission(
    attempts: pa.Table, tasks: Sequence[Task], dataset: str, ranking: str = VOTES
) -> dict[str, list[dict[str, list[list[int]]]]]:
    """Kaggle's format: every task, every test pair in order, both attempts; FILLER where there is no candidate."""
    chosen = attempts.filter(pc.less_equal(attempts.column(RANKINGS[ranking]), len(ATTEMPT_NAMES)))
    ranked = ranked_by_pair(chosen, ranking)
    return {
        task.task_id: [_entry(ranked.get((dataset, task.task_id, index), [])) for index in range(len(task.test))]
        for task in tasks
    }


def _entry(ranked: Sequence[RankedCandidate]) -> dict[str, list[list[int]]]:
    best = [one.grid for one in ranked]
    best += [FILLER] * (len(ATTEMPT_NAMES) - len(best))
    return {name: [list(row) for row in grid] for name, grid in zip(ATTEMPT_NAMES, best, strict=True)}
