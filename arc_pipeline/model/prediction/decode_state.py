"""The completions that are being decoded, one a row: what is decided, drafted and fed to the model. Knows no tensors.

A row's place 0 is the last token of its prompt, so its completion begins at place 1. Everything is an array over all
rows: a pass costs no loop over them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.prediction.grammar import DETERMINED, UNKNOWN, Script

Ints = NDArray[np.int64]

LARGEST_WINDOW = 512
SHORTEST_RUN = 2


@dataclass(frozen=True)
class Pass:
    """One forward pass: its tokens in a flat row, and the free places whose tokens it decides.

    `counts` tokens are fed for each of `rows`; `kept` are the tokens after which the choices are wanted.
    """

    rows: Ints
    counts: Ints
    token_rows: Ints
    token_places: Ints
    choices: Ints
    choice_rows: Ints
    choice_places: Ints
    kept: Ints


@dataclass(frozen=True)
class Decided:
    """What a pass decided, for each of its rows: how many drafted tokens it confirmed, and of how many.

    `last` is the place of the last decided token, `surprised` says that it is not what was drafted.
    """

    confirmed: Ints
    drafted: Ints
    last: Ints
    surprised: NDArray[np.bool_]


class DecodeState:
    """Arrays over `n` rows of `width` places."""

    def __init__(self, n: int, width: int) -> None:
        self.tokens = np.full((n, width), UNKNOWN, dtype=np.int64)
        self.kinds = np.zeros((n, width), dtype=np.int64)
        self.logprobs = np.zeros((n, width), dtype=np.float32)
        self.free = np.zeros((n, width), dtype=np.int64)
        self.n_free, self.n_known, self.at = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.fed, self.length, self.window, self.runs = (np.zeros(n, dtype=np.int64) for _ in range(4))
        self.seeds, self.prompt_lengths, self.limits = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.temperatures = np.zeros(n, dtype=np.float32)
        self.is_whole, self.is_active = (np.zeros(n, dtype=bool) for _ in range(2))

    def begin(self, row: int, last_token: int, prompt_length: int, seed: int, temperature: float, limit: int) -> None:
        """A new completion of at most `limit` tokens."""
        self.tokens[row, 0], self.logprobs[row] = last_token, 0
        self.prompt_lengths[row], self.seeds[row] = prompt_length, seed
        self.temperatures[row], self.limits[row] = temperature, limit
        for counter in (self.at, self.fed, self.window, self.runs):
            counter[row] = 0
        self.is_active[row] = True

    def follow(self, row: int, script: Script) -> None:
        """What is known of the completion from now on; decided tokens are as they were."""
        length = min(len(script.tokens), int(self.limits[row]))
        self.tokens[row, 1 : length + 1] = script.tokens[:length]
        self.kinds[row, 1 : length + 1] = script.kinds[:length]
        free = np.flatnonzero(script.kinds[:length] != DETERMINED)
        unknown = np.flatnonzero(script.tokens[free] == UNKNOWN)
        self.free[row, : len(free)], self.n_free[row] = free + 1, len(free)
        self.n_known[row] = unknown[0] if len(unknown) else len(free)
        self.length[row], self.is_whole[row] = length, script.is_whole or length == self.limits[row]

    def decided(self, row: int) -> list[int]:
        """The completion's tokens up to the last decided one, forced ones before it included."""
        return self.tokens[row, 1 : self.fed[row] + 1].tolist()

    def plan(self, rows: Ints) -> Pass:
        """Feeds each row what is decided and as much of its draft as its window allows."""
        drafted = np.minimum(self.window[rows], self.n_known[rows] - self.at[rows])
        choices = np.minimum(drafted + 1, self.n_free[rows] - self.at[rows])
        last = self.free[rows, self.at[rows] + choices - 1]
        counts = last - self.fed[rows]
        token_rows, within = _spread(rows, counts)
        token_places = self.fed[token_rows] + within
        choice_rows, within = _spread(rows, choices)
        choice_places = self.free[choice_rows, self.at[choice_rows] + within]
        begins = np.repeat(np.cumsum(counts) - counts, choices)
        kept = begins + choice_places - 1 - self.fed[choice_rows]
        return Pass(rows, counts, token_rows, token_places, choices, choice_rows, choice_places, kept)

    def take(self, done: Pass, chosen: Ints, logprobs: NDArray[np.float32]) -> Decided:
        """Keeps what the model chose up to the first place where that is not what was drafted."""
        rows, choices = done.rows, done.choices
        known = self.tokens[done.choice_rows, done.choice_places]
        begins = np.cumsum(choices) - choices
        within = np.arange(len(chosen)) - np.repeat(begins, choices)
        differs = np.where(chosen == known, len(chosen), within)
        first = np.minimum(np.minimum.reduceat(differs, begins), choices - 1)
        taken = within <= np.repeat(first, choices)
        where = done.choice_rows[taken], done.choice_places[taken]
        surprised = (chosen != known)[begins + first]
        drafted = np.minimum(choices, self.n_known[rows] - self.at[rows])
        self.tokens[where], self.logprobs[where] = chosen[taken], logprobs[taken]
        last = done.choice_places[begins + first]
        self.at[rows] += first + 1
        self.n_known[rows] = np.maximum(self.n_known[rows], self.at[rows])
        self.fed[rows] = last
        confirmed = np.minimum(first + ~surprised, drafted)
        self._adapt(rows, confirmed, surprised)
        return Decided(confirmed, drafted, last, surprised)

    def _adapt(self, rows: Ints, confirmed: Ints, surprised: NDArray[np.bool_]) -> None:
        """The next window: twice the last run of confirmed tokens. A drafted token that was not fed counts as well."""
        runs = np.where(surprised, confirmed, self.runs[rows] + confirmed)
        self.runs[rows] = runs
        self.window[rows] = np.where(runs < SHORTEST_RUN, 0, np.minimum(2 * runs, LARGEST_WINDOW))


def _spread(rows: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Every row as often as counted, and the number within it."""
    begins = np.cumsum(counts) - counts
    return np.repeat(rows, counts), np.arange(int(counts.sum())) - np.repeat(begins, counts)
