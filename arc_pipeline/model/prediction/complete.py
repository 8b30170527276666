"""Completions of prompts by a language model, by either engine. Knows nothing of grids or tasks."""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from arc_pipeline.arc.prediction.grammar import Grammar
from arc_pipeline.arc.prediction.questions import Completion
from arc_pipeline.model.weights.tokenization import encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

PROMPT_TOO_LONG = "prompt too long for the model"
# how often answers that need be no grids are looked at for being too long, in tokens
LOOK_EVERY = 16
CACHE_BYTES = 2 * 10**9
SHARE_OF_DEVICE = 0.6


@dataclass(frozen=True)
class Ask:
    """A prompt, the seed of its answer's randomness, and how much of it there is."""

    text: str
    seed: int
    temperature: float


@dataclass(frozen=True)
class AnswerLimit:
    """The most tokens of any answer, and the most characters of one with a given beginning.

    With a grammar, answers are held to it: no other token is chosen.
    """

    n_tokens: int
    longest: Callable[[str], int]
    grammar: Grammar | None = None


class Drafts(Protocol):
    """Guesses of whole answers. They change how fast an answer is found, never the answer."""

    def family(self, ask: int) -> Hashable:
        """Asks of one family have answers that are guesses for each other."""

    def guesses(self, ask: int) -> Iterable[str]:
        """Texts that the answer may be, the likeliest first."""

    def finished(self, ask: int, completion: Completion) -> None:
        """An answer that others can be guessed from."""


@dataclass(frozen=True)
class Parts:
    """What makes the engine fast; each can be left out to see what it is worth, and changes no answer."""

    shared_prefill: bool = True
    forced_tokens: bool = True
    drafts: bool = True
    preallocated: bool = True


@dataclass(frozen=True)
class Options:
    """How answers are computed: at most `rows` at once, keys and values within `cache_bytes` (None: by the device)."""

    rows: int = 64
    engine: str = "arc"
    cache_bytes: int | None = None
    parts: Parts = Parts()


Report = Callable[[int, int], None]
Completions = Iterator[tuple[int, Completion]]


def complete(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    asks: Sequence[Ask],
    limit: AnswerLimit,
    options: Options = Options(),
    drafts: Drafts | None = None,
    report: Report = lambda done, total: None,
) -> Completions:
    """Yields (index of the ask, its completion) as they are finished. Equal asks are answered once, yielded for each.

    `report(done, total)` counts distinct asks.
    """
    alike: dict[Ask, list[int]] = {}
    for index, ask in enumerate(asks):
        alike.setdefault(ask if ask.temperature else replace(ask, seed=0), []).append(index)
    encoded = {text: encode_prompt(tokenizer, text) for text in dict.fromkeys(ask.text for ask in alike)}
    longest = model.config.max_position_embeddings - 1
    fitting = {indices[0]: encoded[ask.text] for ask, indices in alike.items() if len(encoded[ask.text]) <= longest}
    refused = [(each[0], Completion("", 0.0, 0, PROMPT_TOO_LONG)) for each in alike.values() if each[0] not in fitting]
    same = {indices[0]: indices for indices in alike.values()}
    answered = _answered(model, tokenizer, asks, fitting, limit, options, drafts)
    for done, (index, completion) in enumerate((each for part in (refused, answered) for each in part), 1):
        report(done, len(alike))
        yield from ((each, completion) for each in same[index])


def _answered(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    asks: Sequence[Ask],
    prompts: Mapping[int, list[int]],
    limit: AnswerLimit,
    options: Options,
    drafts: Drafts | None,
) -> Completions:
    """By the engine, if it computes the same as the model does with its own attention."""
    from arc_pipeline.model.prediction.engine import answers
    from arc_pipeline.model.prediction.hf_generate import generated
    from arc_pipeline.model.prediction.shared_prefix import bytes_per_token

    if options.engine == "transformers":
        return generated(model, tokenizer, asks, prompts, limit, options.rows)
    if (token_bytes := bytes_per_token(model)) is None:
        logger.warning(f"{type(model).__name__} has attention of its own kind: answered by generate, which is slower")
        return generated(model, tokenizer, asks, prompts, limit, options.rows)
    return answers(model, tokenizer, asks, prompts, limit, options, drafts, token_bytes)


def cache_bytes(model: "PreTrainedModel", options: Options) -> int:
    """The budget for keys and values: what the options say, else a share of what the device has free."""
    if options.cache_bytes is not None:
        return options.cache_bytes
    if model.device.type != "cuda":
        return CACHE_BYTES
    import torch

    free, _ = torch.cuda.mem_get_info(model.device)
    return int(free * SHARE_OF_DEVICE)


def completion_of(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], logprobs: Any) -> Completion:
    """The completion of an answer's tokens (its end among them, if it has one) with their log-probabilities."""
    from arc_pipeline.model.weights.tokenization import decode_ids

    answer = ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids
    total = float(logprobs.astype("float64").sum())
    return Completion(decode_ids(tokenizer, list(answer)), total, len(ids), token_logprobs=logprobs)
