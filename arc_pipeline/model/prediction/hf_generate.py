"""Completes prompts by `generate` of transformers, the plain way, which any causal language model has: the reference.

One run for each temperature, in batches of prompts of similar lengths, padded on the left.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from arc_pipeline.arc.prediction.grammar import Grammar, Walk
from arc_pipeline.arc.prediction.requests import PromptRequest
from arc_pipeline.model.prediction.constraints import TESTED_EVERY, CompletionLimit, is_too_long
from arc_pipeline.model.prediction.interface import Completions, completion_of
from arc_pipeline.model.prediction.sampling import choose

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# (index of the request, ids of its prompt, the request)
EncodedRequest: TypeAlias = tuple[int, list[int], PromptRequest]


class Sampler(LogitsProcessor):
    """Makes greedy decoding sample: leaves each row only the token that was chosen for it, and counts until it ends.

    All of its state lives on the model's device, so that no step waits for a copy.
    """

    def __init__(
        self, requests: Sequence[PromptRequest], eos_token_id: int, device: torch.device | str = "cpu"
    ) -> None:
        self._seeds = torch.tensor([request.seed for request in requests], device=device)
        self._temperatures = torch.tensor([request.temperature for request in requests], device=device)
        self._eos = eos_token_id
        self._finished = torch.zeros(len(requests), dtype=torch.bool, device=device)
        self.n_tokens = torch.zeros(len(requests), dtype=torch.long, device=device)
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


class GrammarWalks:
    """`prefix_allowed_tokens_fn` of `generate`: the tokens after which a row can still be a grid."""

    def __init__(self, grammar: Grammar, n_rows: int, prompt_length: int, eos_token_id: int) -> None:
        self._walks = [Walk(grammar) for _ in range(n_rows)]
        self._prompt_length, self._eos = prompt_length, eos_token_id

    def __call__(self, row: int, ids: torch.Tensor) -> Sequence[int]:
        walk = self._walks[row]
        if len(ids) > self._prompt_length:
            walk.take(int(ids[-1]))
        # after its end a row has nothing allowed; what is chosen there is padding
        return walk.allowed() or [self._eos]


class TooLong(StoppingCriteria):
    """Ends completions that have no room left, or that are longer than any grid with their beginning can be."""

    def __init__(
        self, tokenizer: Any, prompt_length: int, limit: CompletionLimit, rooms: torch.Tensor, sampler: Sampler
    ) -> None:
        self._tokenizer, self._prompt_length, self._limit = tokenizer, prompt_length, limit
        self._rooms, self._sampler = rooms, sampler

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        new = input_ids[:, self._prompt_length :]
        ended = self._rooms <= new.shape[1]
        if self._limit.grammar is None and new.shape[1] % TESTED_EVERY == 0:
            too_long = [is_too_long(self._tokenizer, ids, self._limit) for ids in new.tolist()]
            ended = ended | torch.tensor(too_long, device=new.device)
        self._sampler.end(ended)
        return ended  # type: ignore[return-value]


def complete_by_generate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    requests: Sequence[PromptRequest],
    prompts: Mapping[int, list[int]],
    limit: CompletionLimit,
    batch_size: int,
) -> Completions:
    """The completions of those requests whose encoded prompts are given."""
    rows = [(index, ids, requests[index]) for index, ids in prompts.items()]
    rows.sort(key=lambda row: (row[2].temperature, len(row[1])))
    for _, group in groupby(rows, key=lambda row: row[2].temperature):
        alike = list(group)
        for begin in range(0, len(alike), batch_size):
            yield from _batch(model, tokenizer, alike[begin : begin + batch_size], limit)


def _batch(model: Any, tokenizer: Any, batch: Sequence[EncodedRequest], limit: CompletionLimit) -> Completions:
    unpadded = {"input_ids": [ids for _, ids, _ in batch]}
    padded = tokenizer.pad(unpadded, padding_side="left", return_attention_mask=True, return_tensors="pt")
    begin, end = padded["input_ids"].shape[1], tokenizer.eos_token_id
    sampler = Sampler([request for _, _, request in batch], end, model.device)
    walks = GrammarWalks(limit.grammar, len(batch), begin, end) if limit.grammar else None
    room = [min(limit.n_tokens, model.config.max_position_embeddings - len(ids)) for _, ids, _ in batch]
    stop = TooLong(tokenizer, begin, limit, torch.tensor(room, device=model.device), sampler)
    with torch.inference_mode():
        output = model.generate(
            **padded.to(model.device),
            do_sample=False,
            max_new_tokens=max(room),
            prefix_allowed_tokens_fn=walks,
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([stop]),
            eos_token_id=end,
            pad_token_id=tokenizer.pad_token_id,
        )
    logprobs = torch.stack(sampler.logprobs, dim=1).cpu().numpy()
    columns = output[:, begin:].tolist(), sampler.n_tokens.tolist(), logprobs
    for (index, _, _), ids, n_tokens, logprob in zip(batch, *columns, strict=True):
        yield index, completion_of(tokenizer, ids[:n_tokens], logprob[:n_tokens])
