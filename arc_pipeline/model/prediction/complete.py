"""Completions of prompts by a language model, by either engine. Knows nothing of grids or tasks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import PromptRequest
from arc_pipeline.model.prediction.constraints import CompletionLimit
from arc_pipeline.model.prediction.engine import complete_by_engine
from arc_pipeline.model.prediction.hf_generate import complete_by_generate
from arc_pipeline.model.prediction.interface import DEFAULT_OPTIONS, CompletionOptions, Completions, Drafts
from arc_pipeline.model.prediction.shared_prefix import bytes_per_token
from arc_pipeline.model.weights.tokenization import encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

PROMPT_TOO_LONG = "prompt too long for the model"


def complete(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    requests: Sequence[PromptRequest],
    limit: CompletionLimit,
    options: CompletionOptions = DEFAULT_OPTIONS,
    drafts: Drafts | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Completions:
    """Yields (index of the request, its completion) as they are finished. Equal requests are completed once.

    `report(done, total)` counts distinct requests.
    """
    alike = _alike(requests)
    encoded = {text: encode_prompt(tokenizer, text) for text in dict.fromkeys(requests[i].prompt for i in alike)}
    longest = model.config.max_position_embeddings - 1
    prompts = {first: encoded[requests[first].prompt] for first in alike}
    fitting = {first: ids for first, ids in prompts.items() if len(ids) <= longest}
    refused = ((first, Completion("", 0.0, 0, PROMPT_TOO_LONG)) for first in alike if first not in fitting)
    completed = _completed(model, tokenizer, requests, fitting, limit, options, drafts)
    for done, (first, completion) in enumerate((pair for part in (refused, completed) for pair in part), 1):
        report(done, len(alike))
        yield from ((index, completion) for index in alike[first])


def _alike(requests: Sequence[PromptRequest]) -> dict[int, list[int]]:
    """The indices of equal requests by the first of them; without randomness, seeds make no difference."""
    groups: dict[tuple[str, int, float], list[int]] = {}
    for index, request in enumerate(requests):
        seed = request.seed if request.temperature else 0
        groups.setdefault((request.prompt, seed, request.temperature), []).append(index)
    return {indices[0]: indices for indices in groups.values()}


def _completed(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    requests: Sequence[PromptRequest],
    prompts: Mapping[int, list[int]],
    limit: CompletionLimit,
    options: CompletionOptions,
    drafts: Drafts | None,
) -> Completions:
    """By the engine, if it computes the same as the model does with its own attention."""
    token_bytes = None if options.engine == "transformers" else bytes_per_token(model)
    if token_bytes is not None:
        return complete_by_engine(model, tokenizer, requests, prompts, limit, options, drafts, token_bytes)
    if options.engine != "transformers":
        logger.warning(f"{type(model).__name__} has attention of its own kind: completed by generate, which is slower")
    return complete_by_generate(model, tokenizer, requests, prompts, limit, options.rows)
