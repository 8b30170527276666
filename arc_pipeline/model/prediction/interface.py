"""What completing prompts takes and gives: options, drafts and completions. Knows no engine, no grids and no tasks."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.model.weights.tokenization import decode_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# of those requests that have one: (index of the request, its completion), in any order
Completions: TypeAlias = Iterator[tuple[int, Completion]]


class Drafts(Protocol):
    """Guesses of whole completions. They change how fast a completion is found, never the completion."""

    def family(self, index: int) -> Hashable:
        """Requests of one family have completions that are guesses for each other."""

    def guesses(self, index: int) -> Iterable[str]:
        """Texts that the completion may be, the likeliest first."""

    def finished(self, index: int, completion: Completion) -> None:
        """A completion that others can be guessed from."""


@dataclass(frozen=True)
class EngineParts:
    """What makes the engine fast; each can be left out to see what it is worth, and changes no completion."""

    shared_prefill: bool = True
    forced_tokens: bool = True
    drafts: bool = True
    preallocated: bool = True


@dataclass(frozen=True)
class CompletionOptions:
    """How prompts are completed: at most `rows` at once, keys and values within `cache_bytes` (None: by the device)."""

    rows: int = 64
    engine: str = "arc"
    cache_bytes: int | None = None
    parts: EngineParts = EngineParts()


DEFAULT_OPTIONS: Final = CompletionOptions()


def completion_of(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], logprobs: Any) -> Completion:
    """The completion that has these tokens (its end among them, if it has one) and log-probabilities."""
    text_ids = ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids
    total = float(logprobs.astype("float64").sum())
    return Completion(decode_ids(tokenizer, list(text_ids)), total, len(ids), token_logprobs=logprobs)
