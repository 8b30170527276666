"""What a completion may be: a grid by its grammar, or any text that is not too long for one. Knows no models."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from arc_pipeline.arc.prediction.grammar import DETERMINED, UNKNOWN, Grammar, Script
from arc_pipeline.arc.rendering.encoder import LARGEST_GRID, GridEncoder
from arc_pipeline.arc.tasks.task import MAX_SIDE, Grid
from arc_pipeline.model.weights.tokenization import decode_ids, encode_text, encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# how often completions that need be no grids are tested for being too long, in tokens
TESTED_EVERY = 16


@dataclass(frozen=True)
class CompletionLimit:
    """The most tokens of any completion, and the most characters of one with a given beginning.

    With a grammar, decoding is constrained to it: no other token is chosen.
    """

    n_tokens: int
    longest: Callable[[str], int]
    grammar: Grammar | None = None


def completion_limit(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder, constrain: bool) -> CompletionLimit:
    """What completions can be: grids in this encoding, or any text that is not longer than a grid can be."""
    if not constrain:
        return CompletionLimit(longest_completion(tokenizer, encoder), encoder.longest)
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    # encoded as training encodes answers
    grammar = Grammar(encoder, lambda texts: encode_texts(tokenizer, texts), end)
    return CompletionLimit(grammar.longest, encoder.longest, grammar)


def longest_completion(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> int:
    """Tokens of the longest completion that is a grid, its end included."""
    return max(len(encode_text(tokenizer, encoder.encode(grid))) for grid in _largest_grids()) + 1


def _largest_grids(patterns: int = 8) -> Iterator[Grid]:
    """Grids of the largest size: one of a single colour, and some without runs, which a tokenizer cannot merge."""
    yield LARGEST_GRID
    for seed in range(patterns):
        colours = random.Random(seed)
        yield tuple(tuple(colours.choices(range(10), k=MAX_SIDE)) for _ in range(MAX_SIDE))


def is_too_long(tokenizer: Any, ids: Sequence[int], limit: CompletionLimit) -> bool:
    """Whether the tokens of a completion that begins so can be no grid any more."""
    text = decode_ids(tokenizer, list(ids))
    return len(text) > limit.longest(text)


class GridConstraint:
    """Decoding is constrained to valid grids: only their tokens have logits."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar, self.ids = grammar, grammar.ids
        self.kinds = grammar.kinds_of

    def plan(self, decided: Sequence[int], draft: Sequence[int]) -> Script:
        """What is known after the decided tokens."""
        return self._grammar.plan(decided, draft)

    def fits(self, draft: Sequence[int], decided: Sequence[int]) -> bool:
        """Whether the draft can still be right about the shape."""
        return self._grammar.fits(draft, decided)

    def cut(self, decided: Sequence[int], n_new: int) -> int | None:
        """Never: no completion is too long."""
        return None

    def unforced(self, script: Script) -> Script:
        """The script with its forced tokens as choices between one."""
        kinds = script.kinds.copy()
        for place in np.flatnonzero(kinds == DETERMINED):
            kinds[place] = self._grammar.kind([int(script.tokens[place])])
        return Script(script.tokens, kinds, script.is_whole)


class LengthConstraint:
    """Completions may be anything, and are ended when they are too long to be a grid."""

    ids: list[int] | None = None
    kinds: list[tuple[int, ...]] = []

    def __init__(self, limit: CompletionLimit, tokenizer: Any) -> None:
        self._limit, self._tokenizer = limit, tokenizer

    def plan(self, decided: Sequence[int], draft: Sequence[int]) -> Script:
        """Every token is a choice; the draft's end is not drafted, for nothing comes after it."""
        known = [*decided, *draft[len(decided) : -1]][: self._limit.n_tokens]
        tokens = np.full(self._limit.n_tokens, UNKNOWN, dtype=np.int64)
        tokens[: len(known)] = known
        return Script(tokens, np.ones(self._limit.n_tokens, dtype=np.int64), True)

    def fits(self, draft: Sequence[int], decided: Sequence[int]) -> bool:
        """Nothing is known of the shape."""
        return len(draft) > len(decided)

    def cut(self, decided: Sequence[int], n_new: int) -> int | None:
        """The length at which the completion is too long, if one of its new tokens makes it so."""
        first = (len(decided) - n_new) // TESTED_EVERY + 1
        for length in range(first * TESTED_EVERY, len(decided) + 1, TESTED_EVERY):
            if is_too_long(self._tokenizer, decided[:length], self._limit):
                return length
        return None

    def unforced(self, script: Script) -> Script:
        """Nothing is forced."""
        return script


Constraint: TypeAlias = GridConstraint | LengthConstraint


def constraint_of(limit: CompletionLimit, tokenizer: Any) -> Constraint:
    """What a limit means for the engine."""
    return GridConstraint(limit.grammar) if limit.grammar else LengthConstraint(limit, tokenizer)
