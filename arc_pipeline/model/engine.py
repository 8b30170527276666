"""Answers to many prompts at once: one prefill for all answers of a prompt, drafts verified, nothing decided decoded.

The first answer of a family leads: the others start when it is finished and then need few passes, for it is their
draft. Where drafts are seen to fail, nobody waits.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from arc_pipeline.arc.grammar import DETERMINED, UNKNOWN, Grammar, Script
from arc_pipeline.arc.prediction import Completion
from arc_pipeline.model.generation import (
    AnswerLimit,
    Ask,
    Completions,
    Drafts,
    Options,
    Parts,
    cache_bytes,
    completion_of,
)
from arc_pipeline.model.reference import LOOK_EVERY
from arc_pipeline.model.rows import LARGEST_WINDOW, Decided, Pass, Rows
from arc_pipeline.model.sampling import choose
from arc_pipeline.model.shared_prefix import (
    Prefill,
    SharedPrefixCache,
    Size,
    Step,
    Turn,
    bytes_per_token,
    run_turn,
    shared_prefix,
)
from arc_pipeline.model.tokenization import decode_ids, encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# prompts that are computed together differ in length by no more, so little of the buffers is unused
LENGTH_RATIO = 1.5
ANSWERS_OF_A_PROMPT = 8
# a pass over many short feeds, or over fewer long ones: its scores stay small
SHORT_FEED, TOKENS_OF_A_PASS, SCORES_OF_A_PASS = 8, 2048, 2**25
WORTHWHILE_RUN = 1.5


def can_answer(model: "PreTrainedModel") -> bool:
    """Whether the model computes the same with the engine's attention as with its own."""
    return bytes_per_token(model) is not None


def answers(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    asks: Sequence[Ask],
    prompts: Mapping[int, list[int]],
    limit: AnswerLimit,
    options: Options,
    drafts: Drafts | None = None,
) -> Completions:
    """The completions of those asks whose prompts are given, as they are finished."""
    book = Book(asks, prompts, drafts if options.parts.drafts else None, options.parts)
    rules = grammar_rules(limit) if limit.grammar else OpenRules(limit, tokenizer)
    for bucket in book.buckets():
        yield from Engine(model, tokenizer, book, rules, limit, options, bucket).run()


@dataclass
class Prompt:
    """One prompt, its waiting asks from the coldest on, and its latest answer, a guess for the next one."""

    ids: list[int]
    family: Hashable
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    answer: str | None = None


class Book:
    """All asks by prompt and family, the guesses, and how good they have proved."""

    def __init__(
        self, asks: Sequence[Ask], prompts: Mapping[int, list[int]], drafts: Drafts | None, parts: Parts
    ) -> None:
        self.asks, self.drafts = asks, drafts
        self.led: set[Hashable] = set()
        # mean numbers of tokens that a guess from another answer, or any other guess, was right about in a row
        self.runs = {True: float(LARGEST_WINDOW), False: 2.0}
        self._prompts: dict[tuple[str, int | None], Prompt] = {}
        for index in sorted(prompts, key=lambda index: asks[index].temperature):
            key = asks[index].text, None if parts.shared_prefill else index
            family = drafts.family(index) if drafts else None
            self._prompts.setdefault(key, Prompt(prompts[index], family)).waiting.append(index)

    def buckets(self) -> Iterator[list[Prompt]]:
        """Prompts of similar lengths, the longest first: memory that suffices for the first suffices for all."""
        bucket: list[Prompt] = []
        for prompt in sorted(self._prompts.values(), key=lambda prompt: -len(prompt.ids)):
            if bucket and len(prompt.ids) * LENGTH_RATIO < len(bucket[0].ids):
                yield bucket
                bucket = []
            bucket.append(prompt)
        if bucket:
            yield bucket

    @property
    def waits(self) -> bool:
        """Whether it is worthwhile to let an answer lead."""
        return self.drafts is not None and self.runs[True] >= WORTHWHILE_RUN

    def guesses(self, prompt: Prompt, ask: int) -> Iterable[str]:
        """Texts that the answer may be, the likeliest first."""
        if self.drafts:
            if prompt.answer is not None:
                yield prompt.answer
            yield from self.drafts.guesses(ask)

    def learn(self, trusted: bool, run: int) -> None:
        """A guess was right about so many tokens."""
        self.runs[trusted] += 0.05 * (run - self.runs[trusted])

    def finished(self, prompt: Prompt, ask: int, completion: Completion) -> None:
        """An answer that others can be guessed from."""
        prompt.running -= 1
        if self.drafts:
            self.drafts.finished(ask, completion)
            self.led.add(prompt.family)
            prompt.answer = completion.text if prompt.answer is None else prompt.answer


class Queue:
    """The prompts of one bucket in the order in which they may start."""

    def __init__(self, prompts: Iterable[Prompt], book: Book) -> None:
        self._book = book
        self._families: dict[Hashable, deque[Prompt]] = {}
        for number, prompt in enumerate(prompts):
            family = prompt.family if book.drafts else number
            self._families.setdefault(family, deque()).append(prompt)
        self._begun: set[Hashable] = set()

    def __bool__(self) -> bool:
        return bool(self._families)

    def next(self) -> Prompt | None:
        """A prompt whose family has led, or one that leads; None while all others should wait."""
        families = self._families
        chosen = next((each for each in families if each in self._book.led), None)
        if chosen is None:
            chosen = next((each for each in families if each not in self._begun), None)
        if chosen is None and not self._book.waits:
            chosen = next(iter(families), None)
        if chosen is None:
            return None
        self._begun.add(chosen)
        prompt = families[chosen].popleft()
        if not families[chosen]:
            del families[chosen]
        return prompt


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


@lru_cache(maxsize=4)
def _rules(grammar: Grammar) -> GrammarRules:
    return GrammarRules(grammar)


def grammar_rules(limit: AnswerLimit) -> GrammarRules:
    """The rules of a limit that has a grammar."""
    assert limit.grammar is not None
    return _rules(limit.grammar)


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


class Engine:
    """The answers of one bucket of prompts, in buffers of one size."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        book: Book,
        rules: Rules,
        limit: AnswerLimit,
        options: Options,
        bucket: list[Prompt],
    ) -> None:
        self._model, self._tokenizer, self._book, self._rules = model, tokenizer, book, rules
        self._limit, self._parts = limit.n_tokens, options.parts
        self._size = size_of(bucket, limit.n_tokens + 1, bytes_per_token(model) or 1, options, cache_bytes(model, options))
        self._cache = SharedPrefixCache(self._size, grows=not options.parts.preallocated)
        self._queue = Queue(bucket, book)
        self._slots: list[Prompt | None] = [None] * self._size.prompts
        n_rows = self._size.prompts * self._size.answers
        self._rows = Rows(n_rows, self._size.answer_tokens)
        self._ask = [0] * n_rows
        self._draft: list[list[int]] = [[]] * n_rows
        self._trusted = np.zeros(n_rows, dtype=bool)
        self._device = model.device
        self._bias: torch.Tensor | None = None

    def run(self) -> Completions:
        """Yields the answers as they are finished."""
        with torch.inference_mode(), shared_prefix(self._model), only_logits_of(self._model, self._rules.ids):
            while self._queue or any(self._slots):
                self._admit()
                self._start()
                ready = self._plan()
                yield from self._settle(ready, self._decide(ready))

    def _admit(self) -> None:
        """Fills the empty slots, and computes the prompts' keys and values: all tokens but the last."""
        new = []
        for slot in (slot for slot, prompt in enumerate(self._slots) if prompt is None):
            if (prompt := self._queue.next()) is None:
                break
            self._slots[slot] = prompt
            if len(prompt.ids) > 1:
                new.append((slot, prompt.ids[:-1]))
        while new:
            part = [new.pop(0)]
            while new and sum(len(ids) for _, ids in part) + len(new[0][1]) <= TOKENS_OF_A_PASS:
                part.append(new.pop(0))
            lengths = [len(ids) for _, ids in part]
            turn = Prefill(self._cache, [slot for slot, _ in part], lengths)
            tokens, places = _flat([ids for _, ids in part]), _flat([range(length) for length in lengths])
            self._forward(tokens, places, turn, np.zeros(1, dtype=np.int64))

    def _forward(self, tokens: Any, places: Any, turn: Turn, kept: Any) -> torch.Tensor:
        put = [torch.from_numpy(each).to(self._device) for each in (tokens, places, kept)]
        return run_turn(self._model, put[0], put[1], turn, put[2])

    def _start(self) -> None:
        """Gives the free rows of each prompt to its next asks; they wait for its first answer if that is worthwhile."""
        for slot, prompt in enumerate(self._slots):
            if prompt is None or not prompt.waiting:
                continue
            for row in range(slot * self._size.answers, (slot + 1) * self._size.answers):
                first = prompt.answer is None and self._book.waits and prompt.running
                if prompt.waiting and not self._rows.is_active[row] and not first:
                    self._begin(row, prompt, prompt.waiting.popleft())

    def _begin(self, row: int, prompt: Prompt, ask: int) -> None:
        prompt.running += 1
        asked, length = self._book.asks[ask], len(prompt.ids)
        room = min(self._limit, self._model.config.max_position_embeddings - length)
        self._rows.begin(row, prompt.ids[-1], length - 1, asked.seed, asked.temperature, room)
        self._ask[row], self._trusted[row] = ask, prompt.family in self._book.led
        self._redraft(row, prompt, [])
        if self._parts.drafts:
            self._rows.window[row] = min(int(4 * self._book.runs[bool(self._trusted[row])]), LARGEST_WINDOW)

    def _redraft(self, row: int, prompt: Prompt, decided: list[int]) -> None:
        """Plans the row with the likeliest guess that is still possible."""
        self._draft[row] = []
        for text in self._book.guesses(prompt, self._ask[row]):
            draft = self._encoded(text)
            if self._rules.fits(draft, decided):
                self._draft[row] = draft
                break
        self._follow(row, decided)

    def _encoded(self, text: str) -> list[int]:
        return [*encode_text(self._tokenizer, text), self._tokenizer.eos_token_id]

    def _follow(self, row: int, decided: list[int]) -> None:
        script = self._rules.plan(decided, self._draft[row])
        self._rows.follow(row, script if self._parts.forced_tokens else self._rules.unforced(script))

    def _plan(self) -> Pass:
        """The next pass: all rows that need few tokens, or the longest feeds that fit in one."""
        rows = np.flatnonzero(self._rows.is_active)
        whole = self._rows.plan(rows)
        if whole.counts.max() <= SHORT_FEED:
            return whole
        order = np.argsort(-whole.counts, kind="stable")
        counts = whole.counts[order]
        longest = min(TOKENS_OF_A_PASS, max(1, SCORES_OF_A_PASS // self._score_width()))
        fits = (np.cumsum(counts) <= max(longest, counts[0])) & (2 * counts > counts[0])
        return self._rows.plan(np.sort(rows[order[fits]]))

    def _score_width(self) -> int:
        heads = self._model.config.get_text_config().num_attention_heads
        return int(heads * (self._size.prompt_tokens + self._size.answer_tokens))

    def _decide(self, done: Pass) -> Decided:
        rows = self._rows
        lengths = rows.prompt_lengths[done.token_rows]
        turn = Step(self._cache, done.token_rows, done.token_places, lengths, self._device)
        tokens = rows.tokens[done.token_rows, done.token_places]
        logits = self._forward(tokens, lengths + done.token_places, turn, done.kept).float()
        chosen, logprobs = self._choose(done, logits)
        return rows.take(done, chosen, logprobs)

    def _choose(self, done: Pass, logits: torch.Tensor) -> tuple[Any, Any]:
        rows, ids = self._rows, self._rules.ids
        if ids is not None:
            logits = logits + self._allowed()[torch.from_numpy(rows.kinds[done.choice_rows, done.choice_places])]
        columns = torch.tensor(ids, device=self._device) if ids else torch.arange(logits.shape[-1], device=self._device)
        about = (rows.seeds[done.choice_rows], done.choice_places - 1, rows.temperatures[done.choice_rows])
        chosen, logprob = choose(logits, columns, *(torch.from_numpy(each).to(self._device) for each in about))
        return columns[chosen].cpu().numpy(), logprob.cpu().numpy()

    def _allowed(self) -> torch.Tensor:
        """(kinds, ids) 0 where a token is allowed, else -inf; grows as the grammar is explored."""
        kinds, ids = self._rules.kinds, self._rules.ids
        if self._bias is None or len(self._bias) < len(kinds):
            table = np.array([[0.0 if each in kind else -np.inf for each in ids or ()] for kind in kinds])
            self._bias = torch.from_numpy(table.astype(np.float32)).to(self._device)
        return self._bias

    def _settle(self, done: Pass, decided: Decided) -> Completions:
        """Ends the rows that are finished, and plans those anew whose script has come to its end."""
        rows, ends = self._rows, self._rows.tokens[done.rows, decided.last] == self._tokenizer.eos_token_id
        for trusted, run in zip(self._trusted[done.rows], decided.confirmed, strict=True):
            if self._parts.drafts:
                self._book.learn(bool(trusted), int(run))
        used_up = rows.at[done.rows] >= rows.n_free[done.rows]
        branched = decided.surprised & (rows.kinds[done.rows, decided.last] != 1)
        new = decided.last - 0
        for number in range(len(done.rows)):
            row = int(done.rows[number])
            if self._rules.ids is None:
                length = self._rules.cut(rows.decided(row), int(done.choices[number]))
                if length is not None:
                    yield self._finish(row, length)
                    continue
            if ends[number]:
                yield self._finish(row, int(new[number]))
            elif used_up[number] and rows.is_whole[row]:
                yield self._finish(row, int(rows.length[row]))
            elif used_up[number] or branched[number]:
                self._branch(row)

    def _branch(self, row: int) -> None:
        prompt = self._slots[row // self._size.answers]
        assert prompt is not None
        decided = self._rows.decided(row)
        if self._draft[row] and self._rules.fits(self._draft[row], decided):
            self._follow(row, decided)
        else:
            self._redraft(row, prompt, decided)

    def _finish(self, row: int, length: int) -> tuple[int, Completion]:
        slot, rows = row // self._size.answers, self._rows
        prompt = self._slots[slot]
        assert prompt is not None
        ids, logprobs = rows.tokens[row, 1 : length + 1].tolist(), rows.logprobs[row, 1 : length + 1].copy()
        completion = completion_of(self._tokenizer, ids, logprobs)
        rows.is_active[row] = False
        self._book.finished(prompt, self._ask[row], completion)
        if not prompt.waiting and not prompt.running:
            self._slots[slot] = None
        return self._ask[row], completion


def size_of(bucket: Sequence[Prompt], answer_tokens: int, token_bytes: int, options: Options, budget: int) -> Size:
    """The buffers for a bucket of prompts: as many rows as are asked for, as far as the budget goes; at least one."""
    prompt_tokens = max(1, max(len(prompt.ids) for prompt in bucket) - 1)
    answers = min(max(len(prompt.waiting) for prompt in bucket), ANSWERS_OF_A_PROMPT, options.rows)
    tokens = budget // token_bytes
    answers = max(1, min(answers, (tokens - prompt_tokens) // answer_tokens))
    fitting = tokens // (prompt_tokens + answers * answer_tokens)
    prompts = max(1, min(len(bucket), options.rows // answers, fitting))
    return Size(prompts, answers, prompt_tokens, answer_tokens)


@contextmanager
def only_logits_of(model: Any, ids: Sequence[int] | None) -> Iterator[None]:
    """The model with the rows of its head that these tokens need: a vocabulary can cost as much as all layers."""
    head = model.get_output_embeddings()
    if ids is None:
        yield
        return
    wanted = torch.tensor(ids, device=head.weight.device)
    part = torch.nn.Linear(head.in_features, len(ids), bias=head.bias is not None, device="meta")
    part.weight = torch.nn.Parameter(head.weight[wanted].detach(), requires_grad=False)
    if head.bias is not None:
        part.bias = torch.nn.Parameter(head.bias[wanted].detach(), requires_grad=False)
    model.set_output_embeddings(part)
    try:
        yield
    finally:
        model.set_output_embeddings(head)


def _flat(parts: Iterable[Iterable[int]]) -> Any:
    return np.array([each for part in parts for each in part], dtype=np.int64)
