"""Completions by `generate` of transformers: the plain way, which any causal language model has; the reference.

One run for each temperature, in batches of prompts of similar lengths, padded on the left.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from arc_pipeline.arc.prediction.grammar import Grammar, Walk
from arc_pipeline.model.prediction.complete import LOOK_EVERY, AnswerLimit, Ask, Completions, completion_of
from arc_pipeline.model.prediction.sampling import choose
from arc_pipeline.model.weights.tokenization import decode_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Prompt = tuple[int, list[int], Ask]


class Sampler(LogitsProcessor):
    """Makes greedy decoding sample: leaves each row only the token that was chosen for it, and counts until it ends.

    All of its state lives on the model's device, so that no step waits for a copy.
    """

    def __init__(self, asks: Sequence[Ask], eos_token_id: int, device: torch.device | str = "cpu") -> None:
        self._seeds = torch.tensor([ask.seed for ask in asks], device=device)
        self._temperatures = torch.tensor([ask.temperature for ask in asks], device=device)
        self._eos = eos_token_id
        self._finished = torch.zeros(len(asks), dtype=torch.bool, device=device)
        self.n_tokens = torch.zeros(len(asks), dtype=torch.long, device=device)
        self.logprobs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        ids = torch.arange(scores.shape[-1], device=scores.device)
        places = torch.full_like(self.n_tokens, len(self.logprobs))
        chosen, logprob = choose(scores.float(), ids, self._seeds, places, self._temperatures)
        self.logprobs.append(logprob)
        self.n_tokens += ~self._finished
        self.end(chosen == self._eos)
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen[:, None], 0.0)  # type: ignore[return-value]

    def end(self, rows: torch.Tensor) -> None:
        """Marks rows as ended: what follows in them is padding."""
        self._finished |= rows


class HeldToGrammar(LogitsProcessor):
    """Leaves only the tokens after which there can still be a grid."""

    def __init__(self, grammar: Grammar, n_rows: int) -> None:
        self._walks, self._begun = [Walk(grammar) for _ in range(n_rows)], False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if self._begun:
            for walk, token in zip(self._walks, input_ids[:, -1].tolist(), strict=True):
                walk.take(token)
        self._begun = True
        allowed = [walk.allowed() for walk in self._walks]
        rows = [row for row, each in enumerate(allowed) for _ in each]
        where = torch.tensor([rows, [token for each in allowed for token in each]], device=scores.device)
        held = torch.full_like(scores, -torch.inf)
        held[where[0], where[1]] = scores[where[0], where[1]]
        # after its end a row has nothing allowed; what is chosen there is padding
        ended = torch.tensor([not each for each in allowed], device=scores.device)
        return torch.where(ended[:, None], scores, held)  # type: ignore[return-value]


class TooLong(StoppingCriteria):
    """Ends answers that have no room left, or that are longer than any with their beginning can be."""

    def __init__(
        self, tokenizer: Any, prompt_length: int, limit: AnswerLimit, rooms: torch.Tensor, sampler: Sampler
    ) -> None:
        self._tokenizer, self._prompt_length, self._limit = tokenizer, prompt_length, limit
        self._rooms, self._sampler = rooms, sampler

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        new = input_ids[:, self._prompt_length :]
        ended = self._rooms <= new.shape[1]
        if self._limit.grammar is None and new.shape[1] % LOOK_EVERY == 0:
            ended = ended | torch.tensor([self._is_too_long(ids) for ids in new.tolist()], device=new.device)
        self._sampler.end(ended)
        return ended  # type: ignore[return-value]

    def _is_too_long(self, ids: list[int]) -> bool:
        text = decode_ids(self._tokenizer, ids)
        return len(text) > self._limit.longest(text)


def generated(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    asks: Sequence[Ask],
    prompts: Mapping[int, list[int]],
    limit: AnswerLimit,
    batch_size: int,
) -> Completions:
    """The completions of those asks whose prompts are given."""
    rows = [(index, ids, asks[index]) for index, ids in prompts.items()]
    rows.sort(key=lambda row: (row[2].temperature, len(row[1])))
    for _, each in groupby(rows, key=lambda row: row[2].temperature):
        alike = list(each)
        for begin in range(0, len(alike), batch_size):
            yield from _batch(model, tokenizer, alike[begin : begin + batch_size], limit)


def _batch(model: Any, tokenizer: Any, batch: Sequence[Prompt], limit: AnswerLimit) -> Iterator[tuple[int, Any]]:
    sampler = Sampler([ask for _, _, ask in batch], tokenizer.eos_token_id, model.device)
    held = [HeldToGrammar(limit.grammar, len(batch))] if limit.grammar else []
    padded = left_padded([ids for _, ids, _ in batch], tokenizer.pad_token_id, model.device)
    begin = padded["input_ids"].shape[1]
    room = [min(limit.n_tokens, model.config.max_position_embeddings - len(ids)) for _, ids, _ in batch]
    stop = TooLong(tokenizer, begin, limit, torch.tensor(room, device=model.device), sampler)
    with torch.inference_mode():
        output = model.generate(
            **padded,
            do_sample=False,
            max_new_tokens=max(room),
            logits_processor=LogitsProcessorList([*held, sampler]),
            stopping_criteria=StoppingCriteriaList([stop]),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    logprobs = torch.stack(sampler.logprobs, dim=1).cpu().numpy()
    columns = output[:, begin:].tolist(), sampler.n_tokens.tolist(), logprobs
    for (index, _, _), ids, n_tokens, logprob in zip(batch, *columns, strict=True):
        yield index, completion_of(tokenizer, ids[:n_tokens], logprob[:n_tokens])


def left_padded(prompts: Sequence[list[int]], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Inputs of equal length, the padding masked."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(each)) + each for each in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], device=device)
    return {"input_ids": ids, "attention_mask": mask}
