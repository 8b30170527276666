"""Who is asked what, in which order, and what guesses have been worth. Knows no models.

The first answer of a family leads: the others start when it is finished and then need few passes, for it is their
draft. Where drafts are seen to fail, nobody waits.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from arc_pipeline.arc.prediction.questions import Completion
from arc_pipeline.model.prediction.complete import Ask, Drafts

# prompts that are computed together differ in length by no more, so little of the buffers is unused
LENGTH_RATIO = 1.5
WORTHWHILE_RUN = 1.5
LEARNING_RATE = 0.2
# before anything is known: answers of one test pair are mostly alike, its input is a weak guess
FIRST_RUNS = {True: 32.0, False: 2.0}


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
        self, asks: Sequence[Ask], prompts: Mapping[int, list[int]], drafts: Drafts | None, shared: bool
    ) -> None:
        self.asks, self.drafts = asks, drafts
        # families that have an answer
        self.led: set[Hashable] = set()
        # mean numbers of tokens that a guess from another answer, or any other guess, was right about in a row
        self.runs = dict(FIRST_RUNS)
        self._prompts: dict[tuple[str, int | None], Prompt] = {}
        for index in sorted(prompts, key=lambda index: asks[index].temperature):
            key = asks[index].text, None if shared else index
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
        self.runs[trusted] += LEARNING_RATE * (run - self.runs[trusted])

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
