"""Completions of prompts by a language model. Knows nothing of grids or tasks.

Sampling is arg max of logits / temperature + Gumbel noise, the noise of each answer drawn from its own seed: the same
distribution as sampling from the softmax, and an answer does not depend on what else is in its batch.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from arc_pipeline.arc.prediction import Completion
from arc_pipeline.model.tokenization import decode_ids, encode_prompt

PROMPT_TOO_LONG = "prompt too long for the model"


@dataclass(frozen=True)
class Ask:
    """A prompt, the seed of its answer's randomness, and the temperature (0: the likeliest token each time)."""

    text: str
    seed: int
    temperature: float


@dataclass(frozen=True)
class AnswerLimit:
    """The most tokens of any answer, and the most characters of one with a given beginning."""

    n_tokens: int
    longest: Callable[[str], int]


class GumbelSampler(LogitsProcessor):
    """Makes greedy decoding sample: adds each row's own noise, and counts and weighs what is chosen until a row ends.

    All of its state lives on the model's device, so that no step waits for a copy.
    """

    def __init__(
        self, seeds: Sequence[int], temperature: float, eos_token_id: int, device: torch.device | str = "cpu"
    ) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._temperature, self._eos = temperature, eos_token_id
        self._finished = torch.zeros(len(seeds), dtype=torch.bool, device=device)
        self.n_tokens = torch.zeros(len(seeds), dtype=torch.long, device=device)
        self.logprob = torch.zeros(len(seeds), dtype=torch.float64, device=device)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        logits = scores.float()
        noised = logits if self._temperature == 0 else logits / self._temperature + self._noise(logits)
        chosen = noised.argmax(-1, keepdim=True)
        logprob = logits.log_softmax(-1).gather(-1, chosen).squeeze(-1).double()
        self.logprob += logprob.masked_fill(self._finished, 0.0)
        self.n_tokens += ~self._finished
        self.end(chosen.squeeze(-1) == self._eos)
        return noised

    def end(self, rows: torch.Tensor) -> None:
        """Marks rows as ended: what follows in them is padding."""
        self._finished |= rows

    def _noise(self, logits: torch.Tensor) -> torch.Tensor:
        exponential = torch.empty_like(logits)
        for row, generator in zip(exponential, self._generators, strict=True):
            row.exponential_(generator=generator)
        return -exponential.log()


class TooLong(StoppingCriteria):
    """Ends answers that are longer than any answer with their beginning can be; looks every few tokens."""

    EVERY = 16

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt_length: int,
        longest: Callable[[str], int],
        end: Callable[[torch.Tensor], None],
    ) -> None:
        self._tokenizer, self._prompt_length, self._longest, self._end = tokenizer, prompt_length, longest, end

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        new = input_ids[:, self._prompt_length :]
        if new.shape[1] % self.EVERY:
            return torch.zeros(len(new), dtype=torch.bool, device=new.device)
        texts = [decode_ids(self._tokenizer, ids) for ids in new.tolist()]
        ended = torch.tensor([len(text) > self._longest(text) for text in texts], device=new.device)
        self._end(ended)
        return ended


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asks: Sequence[Ask],
    limit: AnswerLimit,
    batch_size: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[int, Completion]]:
    """(index of an ask, its completion) as they are finished. Without randomness, equal prompts are answered once."""
    indices: dict[Ask, list[int]] = {}
    for index, ask in enumerate(asks):
        indices.setdefault(_asked(ask), []).append(index)
    done = 0
    for batch in _batches(tokenizer, indices, batch_size):
        completions = _complete_batch(model, tokenizer, batch, batch[0][1].temperature, limit)
        for (_, ask), completion in zip(batch, completions, strict=True):
            yield from ((index, completion) for index in indices[ask])
        done += len(batch)
        report(done, len(indices))


def _asked(ask: Ask) -> Ask:
    return replace(ask, seed=0) if ask.temperature == 0 else ask


def _batches(
    tokenizer: PreTrainedTokenizerBase, asks: Iterable[Ask], batch_size: int
) -> Iterator[list[tuple[list[int], Ask]]]:
    """Asks of one temperature and of about the same length."""
    encoded = [(encode_prompt(tokenizer, ask.text), ask) for ask in asks]
    encoded.sort(key=lambda each: (each[1].temperature, len(each[0])))
    for _, group in itertools.groupby(encoded, key=lambda each: each[1].temperature):
        while batch := list(itertools.islice(group, batch_size)):
            yield batch


def _complete_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: Sequence[tuple[list[int], Ask]],
    temperature: float,
    limit: AnswerLimit,
) -> Iterator[Completion]:
    room = model.config.max_position_embeddings - max(len(ids) for ids, _ in batch)
    if room < 1:
        return iter([_one_by_one(model, tokenizer, each, temperature, limit) for each in batch])
    sampler = GumbelSampler([ask.seed for _, ask in batch], temperature, tokenizer.eos_token_id, model.device)
    prompts = _left_padded([ids for ids, _ in batch], tokenizer.pad_token_id, model.device)
    begin = prompts["input_ids"].shape[1]
    with torch.inference_mode():
        output = model.generate(
            **prompts,
            do_sample=False,
            max_new_tokens=min(limit.n_tokens, room),
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([TooLong(tokenizer, begin, limit.longest, sampler.end)]),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    rows = zip(output[:, begin:].tolist(), sampler.n_tokens.tolist(), sampler.logprob.tolist(), strict=True)
    return (_completion(tokenizer, ids[:n_tokens], logprob) for ids, n_tokens, logprob in rows)


def _one_by_one(model: Any, tokenizer: Any, each: Any, temperature: float, limit: AnswerLimit) -> Completion:
    if len(each[0]) >= model.config.max_position_embeddings:
        return Completion("", 0.0, 0, PROMPT_TOO_LONG)
    return next(iter(_complete_batch(model, tokenizer, [each], temperature, limit)))


def _left_padded(prompts: Sequence[list[int]], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(each)) + each for each in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], device=device)
    return {"input_ids": ids, "attention_mask": mask}


def _completion(tokenizer: PreTrainedTokenizerBase, ids: list[int], logprob: float) -> Completion:
    answer = ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids
    return Completion(decode_ids(tokenizer, answer), logprob, len(ids))
