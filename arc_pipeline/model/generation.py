"""Completions of prompts by a language model. Knows nothing of grids or tasks.

Sampling is arg max of logits / temperature + Gumbel noise, the noise of each answer drawn from its own seed: the same
distribution as sampling from the softmax, and an answer does not depend on what else is in its batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from arc_pipeline.model.tokenization import encode_text

PROMPT_TOO_LONG = "prompt too long for the model"


@dataclass(frozen=True)
class Ask:
    """A prompt and the seed of its answer's randomness."""

    text: str
    seed: int


@dataclass(frozen=True)
class AnswerLimit:
    """The most tokens of any answer, and the most characters of one with a given beginning."""

    n_tokens: int
    longest: Callable[[str], int]


class GumbelSampler(LogitsProcessor):
    """Makes greedy decoding sample: adds each row's own noise, and sums the log-probabilities of what is chosen."""

    def __init__(self, seeds: Sequence[int], temperature: float, eos_token_id: int) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature, self._eos = temperature, eos_token_id
        self._finished = torch.zeros(len(seeds), dtype=torch.bool)
        self.logprob = torch.zeros(len(seeds), dtype=torch.float64)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        logits = scores.float()
        noised = logits if self._temperature == 0 else logits / self._temperature + self._noise(logits)
        chosen = noised.argmax(-1, keepdim=True)
        logprob = logits.log_softmax(-1).gather(-1, chosen).squeeze(-1).double().cpu()
        self.logprob += logprob.masked_fill(self._finished, 0.0)
        self._finished |= chosen.squeeze(-1).cpu() == self._eos
        return noised

    def _noise(self, logits: torch.Tensor) -> torch.Tensor:
        exponential = torch.stack([torch.empty(logits.shape[-1]).exponential_(generator=g) for g in self._generators])
        return -exponential.log().to(logits.device)


class TooLong(StoppingCriteria):
    """Ends answers that are longer than any answer with their beginning can be; looks every few tokens."""

    EVERY = 16

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt_length: int, longest: Callable[[str], int]) -> None:
        self._tokenizer, self._prompt_length, self._longest = tokenizer, prompt_length, longest

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        new = input_ids[:, self._prompt_length :]
        if new.shape[1] % self.EVERY:
            return torch.zeros(len(new), dtype=torch.bool, device=new.device)
        texts = self._tokenizer.batch_decode(new)
        return torch.tensor([len(text) > self._longest(text) for text in texts], device=new.device)


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asks: Sequence[Ask],
    temperature: float,
    limit: AnswerLimit,
    batch_size: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Completion]:
    """One completion for each ask, in their order. Without randomness, equal prompts are answered once."""
    answers: dict[Ask, Completion] = {}
    distinct = list(dict.fromkeys(_asked(ask, temperature) for ask in asks))
    encoded = sorted(((encode_text(tokenizer, ask.text), ask) for ask in distinct), key=lambda each: len(each[0]))
    for begin in range(0, len(encoded), batch_size):
        batch = encoded[begin : begin + batch_size]
        completions = _complete_batch(model, tokenizer, batch, temperature, limit)
        answers.update(zip((ask for _, ask in batch), completions, strict=True))
        report(len(answers), len(distinct))
    return [answers[_asked(ask, temperature)] for ask in asks]


def _asked(ask: Ask, temperature: float) -> Ask:
    return Ask(ask.text, 0) if temperature == 0 else ask


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
    sampler = GumbelSampler([ask.seed for _, ask in batch], temperature, tokenizer.eos_token_id)
    prompts = _left_padded([ids for ids, _ in batch], tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        output = model.generate(
            **prompts,
            do_sample=False,
            max_new_tokens=min(limit.n_tokens, room),
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([TooLong(tokenizer, prompts["input_ids"].shape[1], limit.longest)]),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    new = output[:, prompts["input_ids"].shape[1] :].tolist()
    return (_completion(tokenizer, ids, logprob) for ids, logprob in zip(new, sampler.logprob.tolist(), strict=True))


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
    if tokenizer.eos_token_id in ids:
        answer = ids[: ids.index(tokenizer.eos_token_id)]
        return Completion(tokenizer.decode(answer), logprob, len(answer) + 1)
    return Completion(tokenizer.decode(ids), logprob, len(ids))
