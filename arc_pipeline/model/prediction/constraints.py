"""What an answer may be, as the engine asks for it: a grid by its grammar, or any text. Knows no models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from arc_pipeline.arc.prediction.grammar import DETERMINED, UNKNOWN, Grammar, Script
from arc_pipeline.model.prediction.complete import LOOK_EVERY, AnswerLimit
from arc_pipeline.model.weights.tokenization import decode_ids


class GrammarRules:
    """Answers held to a grammar: only its tokens have logits."""

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
        """Never: no answer is too long."""
        return None

    def unforced(self, script: Script) -> Script:
        """The script with its forced tokens as choices between one."""
        kinds = script.kinds.copy()
        for place in np.flatnonzero(kinds == DETERMINED):
            kinds[place] = self._grammar.kind([int(script.tokens[place])])
        return Script(script.tokens, kinds, script.is_whole)


class OpenRules:
    """Answers that may be anything, ended when they are too long to be a grid."""

    ids: list[int] | None = None
    kinds: list[tuple[int, ...]] = []

    def __init__(self, limit: AnswerLimit, tokenizer: Any) -> None:
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
        """The length at which the answer is found to be too long, if one of its new tokens makes it so."""
        first = (len(decided) - n_new) // LOOK_EVERY + 1
        for length in range(first * LOOK_EVERY, len(decided) + 1, LOOK_EVERY):
            text = decode_ids(self._tokenizer, list(decided[:length]))
            if len(text) > self._limit.longest(text):
                return length
        return None

    def unforced(self, script: Script) -> Script:
        """Nothing is forced."""
        return script


Rules = GrammarRules | OpenRules


def rules_of(limit: AnswerLimit, tokenizer: Any) -> Rules:
    """The rules that a limit means."""
    return GrammarRules(limit.grammar) if limit.grammar else OpenRules(limit, tokenizer)
