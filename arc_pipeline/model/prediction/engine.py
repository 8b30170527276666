"""Completes many prompts at once: one prefill for all completions of a prompt, drafts verified, forced tokens skipped.

What a pass feeds is a flat row of the next tokens of many completions; what it chooses is a function of logits, seed
and place alone, so neither the other rows of a batch nor drafts change a completion.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import PromptRequest
from arc_pipeline.model.prediction.constraints import CompletionLimit, Constraint, constraint_of
from arc_pipeline.model.prediction.decode_state import LARGEST_WINDOW, Decided, DecodeState, Pass
from arc_pipeline.model.prediction.interface import CompletionOptions, Completions, Drafts, EngineParts, completion_of
from arc_pipeline.model.prediction.sampling import choose
from arc_pipeline.model.prediction.schedule import EncodedPrompt, PromptQueue, Schedule
from arc_pipeline.model.prediction.shared_prefix import (
    BufferSize,
    Prefill,
    SharedPrefixCache,
    Step,
    Turn,
    run_turn,
    shared_prefix,
)
from arc_pipeline.model.weights.tokenization import encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COMPLETIONS_OF_A_PROMPT = 8
CACHE_BYTES = 2 * 10**9
SHARE_OF_DEVICE = 0.6
# a pass over many short feeds, or over fewer long ones: its scores stay small
SHORT_FEED, TOKENS_OF_A_PASS, SCORES_OF_A_PASS = 8, 2048, 2**25


def complete_by_engine(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    requests: Sequence[PromptRequest],
    prompts: Mapping[int, list[int]],
    limit: CompletionLimit,
    options: CompletionOptions,
    drafts: Drafts | None,
    token_bytes: int,
) -> Completions:
    """The completions of those requests whose encoded prompts are given, as they are finished.

    `token_bytes` is what a token takes in the cache, see `bytes_per_token`.
    """
    schedule = Schedule(requests, prompts, drafts if options.parts.drafts else None, options.parts.shared_prefill)
    constraint, n_tokens = constraint_of(limit, tokenizer), cache_bytes(model, options) // token_bytes
    for bucket in schedule.buckets():
        size = size_of(bucket, limit.n_tokens + 1, options.rows, n_tokens)
        yield from Engine(model, tokenizer, schedule, constraint, options.parts, bucket, size).run()


def cache_bytes(model: "PreTrainedModel", options: CompletionOptions) -> int:
    """The budget for keys and values: what the options say, else a share of what the device has free."""
    if options.cache_bytes is not None:
        return options.cache_bytes
    if model.device.type != "cuda":
        return CACHE_BYTES
    free, _ = torch.cuda.mem_get_info(model.device)
    return int(free * SHARE_OF_DEVICE)


class Engine:
    """The completions of one bucket of prompts, in buffers of one size."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        schedule: Schedule,
        constraint: Constraint,
        parts: EngineParts,
        bucket: list[EncodedPrompt],
        size: BufferSize,
    ) -> None:
        self._model, self._tokenizer, self._schedule, self._constraint = model, tokenizer, schedule, constraint
        self._parts, self._size = parts, size
        self._cache = SharedPrefixCache(size, copies=not parts.preallocated)
        self._queue = PromptQueue(bucket, schedule)
        self._slots: list[EncodedPrompt | None] = [None] * size.prompts
        n_rows = size.prompts * size.completions
        self._rows = DecodeState(n_rows, size.completion_tokens)
        self._request = [0] * n_rows
        self._draft: list[list[int]] = [[]] * n_rows
        self._trusted = np.zeros(n_rows, dtype=bool)
        self._device = model.device
        self._bias: torch.Tensor | None = None

    def run(self) -> Completions:
        """Yields the completions as they are finished."""
        with torch.inference_mode(), shared_prefix(self._model), only_logits_of(self._model, self._constraint.ids):
            while self._queue or any(self._slots):
                self._admit()
                self._start()
                yield from self._used_up()
                if self._rows.is_active.any():
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
        put = [torch.from_numpy(array).to(self._device) for array in (tokens, places, kept)]
        return run_turn(self._model, put[0], put[1], turn, put[2])

    def _start(self) -> None:
        """Gives the free rows of each prompt to its next requests; they wait for the first of them if that pays."""
        for slot, prompt in enumerate(self._slots):
            if prompt is None or not prompt.waiting:
                continue
            for row in range(slot * self._size.completions, (slot + 1) * self._size.completions):
                must_wait = prompt.first is None and self._schedule.waits and prompt.running
                if prompt.waiting and not self._rows.is_active[row] and not must_wait:
                    self._begin(row, prompt, prompt.waiting.popleft())

    def _begin(self, row: int, prompt: EncodedPrompt, index: int) -> None:
        prompt.running += 1
        request, length = self._schedule.requests[index], len(prompt.ids)
        room = min(self._size.completion_tokens - 1, self._model.config.max_position_embeddings - length)
        self._rows.begin(row, prompt.ids[-1], length - 1, request.seed, request.temperature, room)
        self._request[row], self._trusted[row] = index, prompt.family in self._schedule.led
        self._redraft(row, prompt, [])
        if self._parts.drafts:
            self._rows.window[row] = min(int(4 * self._schedule.runs[bool(self._trusted[row])]), LARGEST_WINDOW)

    def _redraft(self, row: int, prompt: EncodedPrompt, decided: list[int]) -> None:
        """Plans the row with the likeliest guess that is still possible."""
        self._draft[row] = []
        for text in self._schedule.guesses(prompt, self._request[row]):
            draft = self._encoded(text)
            if self._constraint.fits(draft, decided):
                self._draft[row] = draft
                break
        self._follow(row, decided)

    def _encoded(self, text: str) -> list[int]:
        return [*encode_text(self._tokenizer, text), self._tokenizer.eos_token_id]

    def _follow(self, row: int, decided: list[int]) -> None:
        script = self._constraint.plan(decided, self._draft[row])
        self._rows.follow(row, script if self._parts.forced_tokens else self._constraint.unforced(script))

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
        return int(heads * (self._size.prompt_tokens + self._size.completion_tokens))

    def _decide(self, done: Pass) -> Decided:
        rows = self._rows
        lengths = rows.prompt_lengths[done.token_rows]
        turn = Step(self._cache, done.token_rows, done.token_places, lengths, self._device)
        tokens = rows.tokens[done.token_rows, done.token_places]
        logits = self._forward(tokens, lengths + done.token_places, turn, done.kept).float()
        chosen, logprobs = self._choose(done, logits)
        return rows.take(done, chosen, logprobs)

    def _choose(self, done: Pass, logits: torch.Tensor) -> tuple[Any, Any]:
        rows, ids = self._rows, self._constraint.ids
        columns = torch.tensor(ids, device=self._device) if ids else torch.arange(logits.shape[-1], device=self._device)
        if ids is not None:
            logits = logits if logits.shape[-1] == len(ids) else logits[:, columns]
            logits = logits + self._allowed()[torch.from_numpy(rows.kinds[done.choice_rows, done.choice_places])]
        about = (rows.seeds[done.choice_rows], done.choice_places - 1, rows.temperatures[done.choice_rows])
        chosen, logprob = choose(logits, columns, *(torch.from_numpy(array).to(self._device) for array in about))
        return columns[chosen].cpu().numpy(), logprob.cpu().numpy()

    def _allowed(self) -> torch.Tensor:
        """(kinds, ids) 0 where a token is allowed, else -inf; grows as the grammar is explored."""
        kinds, ids = self._constraint.kinds, self._constraint.ids
        if self._bias is None or len(self._bias) < len(kinds):
            table = np.array([[0.0 if token in kind else -np.inf for token in ids or ()] for kind in kinds])
            self._bias = torch.from_numpy(table.astype(np.float32)).to(self._device)
        return self._bias

    def _settle(self, done: Pass, decided: Decided) -> Completions:
        """Finishes the rows that chose the end or are too long, and plans those anew that left their script."""
        rows, ends = self._rows, self._rows.tokens[done.rows, decided.last] == self._tokenizer.eos_token_id
        tried = np.flatnonzero(decided.drafted > 1)
        for trusted, run in zip(self._trusted[done.rows[tried]], decided.confirmed[tried], strict=True):
            self._schedule.learn(bool(trusted), int(run))
        used_up = rows.at[done.rows] >= rows.n_free[done.rows]
        branched = decided.surprised & (rows.kinds[done.rows, decided.last] != 1)
        for number in range(len(done.rows)):
            row = int(done.rows[number])
            if self._constraint.ids is None:
                length = self._constraint.cut(rows.decided(row), int(done.choices[number]))
                if length is not None:
                    yield self._finish(row, length)
                    continue
            if ends[number]:
                yield self._finish(row, int(decided.last[number]))
            elif branched[number] or (used_up[number] and not rows.is_whole[row]):
                self._branch(row)

    def _used_up(self) -> Completions:
        """Finishes the rows in which no choice is left."""
        rows = self._rows
        for row in np.flatnonzero(rows.is_active & rows.is_whole & (rows.at >= rows.n_free)):
            yield self._finish(int(row), int(rows.length[row]))

    def _branch(self, row: int) -> None:
        prompt = self._slots[row // self._size.completions]
        assert prompt is not None
        decided = self._rows.decided(row)
        if self._draft[row] and self._constraint.fits(self._draft[row], decided):
            self._follow(row, decided)
        else:
            self._redraft(row, prompt, decided)

    def _finish(self, row: int, length: int) -> tuple[int, Completion]:
        slot, rows = row // self._size.completions, self._rows
        prompt = self._slots[slot]
        assert prompt is not None
        ids, logprobs = rows.tokens[row, 1 : length + 1].tolist(), rows.logprobs[row, 1 : length + 1].copy()
        completion = completion_of(self._tokenizer, ids, logprobs)
        rows.is_active[row] = False
        self._schedule.finished(prompt, self._request[row], completion)
        if not prompt.waiting and not prompt.running:
            self._slots[slot] = None
        return self._request[row], completion


def size_of(bucket: Sequence[EncodedPrompt], completion_tokens: int, rows: int, n_tokens: int) -> BufferSize:
    """The buffers for a bucket of prompts: up to `rows` rows, as far as `n_tokens` go; at least one."""
    prompt_tokens = max(1, max(len(prompt.ids) for prompt in bucket) - 1)
    completions = min(max(len(prompt.waiting) for prompt in bucket), COMPLETIONS_OF_A_PROMPT, rows)
    completions = max(1, min(completions, (n_tokens - prompt_tokens) // completion_tokens))
    fitting = n_tokens // (prompt_tokens + completions * completion_tokens)
    prompts = max(1, min(len(bucket), rows // completions, fitting))
    return BufferSize(prompts, completions, prompt_tokens, completion_tokens)


@contextmanager
def only_logits_of(model: Any, ids: Sequence[int] | None) -> Iterator[None]:
    """The model with the rows of its head that these tokens need: a vocabulary can cost as much as all layers."""
    head = model.get_output_embeddings()
    if ids is None or type(head) is not torch.nn.Linear:
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
    return np.array([value for part in parts for value in part], dtype=np.int64)
