"""What numpy's Philox generators give, for many of them at once: one generator a row, with a counter of its own.

The numbers are those of `numpy.random.Generator(Philox(key, counter))`, call by call. Knows nothing of recipes.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int64]

ROUNDS, WORDS_OF_A_BLOCK = 10, 4
MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
KEY_STEPS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


class RandomStreams:
    """Generators whose calls are made on all rows, or some; how many numbers each has taken differs between rows."""

    def __init__(self, seed: int, attempts: Numbers, examples: Numbers) -> None:
        """Row r is the generator of key `seed` and counter [0, 0, attempts[r], examples[r]]."""
        self._seed, self._counter = np.uint64(seed), (attempts.astype(np.uint64), examples.astype(np.uint64))
        n = len(examples)
        self.every = np.arange(n)
        self._words = np.empty((0, n), np.uint64)
        self._taken = np.zeros(n, np.int64)
        # the upper half of a word, where the lower one was taken alone
        self._half, self._has_half = np.zeros(n, np.uint64), np.zeros(n, bool)

    def random(self) -> NDArray[np.float64]:
        """As `Generator.random()`."""
        return (self._next_words(self.every) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, bound: Numbers) -> Numbers:
        """As `Generator.integers(bound)`, with a bound for each row: Lemire's method; 0 where there is no choice."""
        drawn = np.zeros(len(bound), np.int64)
        rows = np.flatnonzero(bound > 1)
        while len(rows):
            limit = bound[rows].astype(np.uint64)
            product = self._next_halves(rows) * limit
            drawn[rows] = product >> HALF
            rows = rows[(product & LOW) < (np.uint64(2**32) - limit) % limit]
        return drawn

    def permutation(self, n: Numbers) -> Numbers:
        """As `Generator.permutation(n)`, with an n for each row: Fisher and Yates, from the end.

        Shape (rows, longest); what is behind the n-th column of a row stands in order.
        """
        shuffled = np.tile(np.arange(n.max(initial=1)), (len(n), 1))
        for last in range(shuffled.shape[1] - 1, 0, -1):
            rows = np.flatnonzero(n > last)
            other = self._at_most(last, rows)
            moved = shuffled[rows, last]
            shuffled[rows, last] = shuffled[rows, other]
            shuffled[rows, other] = moved
        return shuffled

    def _at_most(self, most: int, rows: Numbers) -> Numbers:
        """Numbers of as many bits as `most` has, drawn again where they are larger."""
        mask, drawn = np.uint64((1 << most.bit_length()) - 1), np.zeros(len(rows), np.int64)
        waiting = np.arange(len(rows))
        while len(waiting):
            drawn[waiting] = self._next_halves(rows[waiting]) & mask
            waiting = waiting[drawn[waiting] > most]
        return drawn

    def _next_halves(self, rows: Numbers) -> Words:
        """32 bits of each row: the lower half of a word, then its upper one."""
        has_half = self._has_half[rows]
        halves = self._half[rows]
        fresh = rows[~has_half]
        words = self._next_words(fresh)
        halves[~has_half], self._half[fresh] = words & LOW, words >> HALF
        self._has_half[rows] = ~has_half
        return halves

    def _next_words(self, rows: Numbers) -> Words:
        taken = self._taken[rows]
        if len(rows) and taken.max() >= len(self._words):
            self._words = np.concatenate([self._words, self._block(len(self._words) // WORDS_OF_A_BLOCK + 1)])
        self._taken[rows] += 1
        words: Words = self._words[taken, rows]
        return words

    def _block(self, number: int) -> Words:
        attempts, examples = self._counter
        counter = (np.full_like(attempts, number), np.zeros_like(attempts), attempts, examples)
        return np.stack(_philox(counter, self._seed))


def _philox(counter: tuple[Words, ...], key: np.uint64) -> tuple[Words, ...]:
    """Philox 4x64 with ten rounds (Salmon et al., SC 2011): four words for each counter."""
    first, second, third, fourth = counter
    keys = [key, np.uint64(0)]
    for _ in range(ROUNDS):
        (high, low), (other_high, other_low) = _product(first, MULTIPLIERS[0]), _product(third, MULTIPLIERS[1])
        first, second, third, fourth = other_high ^ second ^ keys[0], other_low, high ^ fourth ^ keys[1], low
        with np.errstate(over="ignore"):
            keys = [keys[0] + KEY_STEPS[0], keys[1] + KEY_STEPS[1]]
    return first, second, third, fourth


def _product(words: Words, factor: np.uint64) -> tuple[Words, Words]:
    """The upper and the lower 64 bits of a product of 128."""
    words_high, words_low = words >> HALF, words & LOW
    factor_high, factor_low = factor >> HALF, factor & LOW
    middle = words_high * factor_low + (words_low * factor_low >> HALF)
    other = words_low * factor_high + (middle & LOW)
    return words_high * factor_high + (middle >> HALF) + (other >> HALF), words * factor
