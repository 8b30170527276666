"""Which prompts are completed in which order, and what guesses have been worth. Knows no models.

The first completion of a family leads: the others start when it is finished and then need few passes, for it is their
draft. Where drafts are seen to fail, none waits.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import PromptRequest
from arc_pipeline.model.prediction.interface import Drafts

# prompts that are computed together differ in length by no more, so little of the buffers is unused
LENGTH_RATIO = 1.5
WORTHWHILE_RUN = 1.5
LEARNING_RATE = 0.2
# before anything is known: completions of one test pair are mostly alike, its input is a weak guess
FIRST_RUNS = {True: 32.0, False: 2.0}


@dataclass
class EncodedPrompt:
    """One prompt, its waiting requests from the coldest on, and its first completion, a guess for the next ones."""

    ids: list[int]
    family: Hashable
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    first: str | None = None


class Schedule:
    """All requests by prompt and family, the guesses, and how good they have proved."""

    def __init__(
        self, requests: Sequence[PromptRequest], prompts: Mapping[int, list[int]], drafts: Drafts | None, shared: bool
    ) -> None:
        self.requests, self.drafts = requests, drafts
        # families that have a completion
        self.led: set[Hashable] = set()
        # mean numbers of tokens that a guess from another completion, or any other guess, was right about in a row
        self.runs = dict(FIRST_RUNS)
        self._prompts: dict[tuple[str, int | None], EncodedPrompt] = {}
        for index in sorted(prompts, key=lambda index: requests[index].temperature):
            key = requests[index].prompt, None if shared else index
            family = drafts.family(index) if drafts else None
            self._prompts.setdefault(key, EncodedPrompt(prompts[index], family)).waiting.append(index)

    def buckets(self) -> Iterator[list[EncodedPrompt]]:
        """Prompts of similar lengths, the longest first: memory that suffices for the first suffices for all."""
        bucket: list[EncodedPrompt] = []
        for prompt in sorted(self._prompts.values(), key=lambda prompt: -len(prompt.ids)):
            if bucket and len(prompt.ids) * LENGTH_RATIO < len(bucket[0].ids):
                yield bucket
                bucket = []
            bucket.append(prompt)
        if bucket:
            yield bucket

    @property
    def waits(self) -> bool:
        """Whether it is worthwhile to let a completion lead."""
        return self.drafts is not None and self.runs[True] >= WORTHWHILE_RUN

    def guesses(self, prompt: EncodedPrompt, index: int) -> Iterable[str]:
        """Texts that the completion may be, the likeliest first."""
        if self.drafts:
            if prompt.first is not None:
                yield prompt.first
            yield from self.drafts.guesses(index)

    def learn(self, trusted: bool, run: int) -> None:
        """A guess was right about so many tokens."""
        self.runs[trusted] += LEARNING_RATE * (run - self.runs[trusted])

    def finished(self, prompt: EncodedPrompt, index: int, completion: Completion) -> None:
        """A completion that others can be guessed from."""
        prompt.running -= 1
        if self.drafts:
            self.drafts.finished(index, completion)
            self.led.add(prompt.family)
            prompt.first = completion.text if prompt.first is None else prompt.first


class PromptQueue:
    """The prompts of one bucket in the order in which they may start."""

    def __init__(self, prompts: Iterable[EncodedPrompt], schedule: Schedule) -> None:
        self._schedule = schedule
        self._families: dict[Hashable, deque[EncodedPrompt]] = {}
        for number, prompt in enumerate(prompts):
            family = prompt.family if schedule.drafts else number
            self._families.setdefault(family, deque()).append(prompt)
        self._begun: set[Hashable] = set()

    def __bool__(self) -> bool:
        return bool(self._families)

    def next(self) -> EncodedPrompt | None:
        """A prompt whose family has led, or one that leads; None while all others should wait."""
        families = self._families
        chosen = next((family for family in families if family in self._schedule.led), None)
        if chosen is None:
            chosen = next((family for family in families if family not in self._begun), None)
        if chosen is None and not self._schedule.waits:
            chosen = next(iter(families), None)
        if chosen is None:
            return None
        self._begun.add(chosen)
        prompt = families[chosen].popleft()
        if not families[chosen]:
            del families[chosen]
        return prompt
