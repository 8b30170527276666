"""The errors a user can fix. Every message names the file, the place in it and the value, and says what to do.

ArcPipelineError
├── FaultyInput          files that cannot be used: every fault of every file, at once
├── UndecodableGrid      a completion that is no grid (a counted outcome, never fatal)
├── StaleUpstream        what an artefact is made from is stale
├── MissingArtefact      something that must be materialized first
│   └── DamagedArtefact  something whose files are not what was written
└── MissingWeights       a model that is not on this machine
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_CAUSES = 10


class ArcPipelineError(Exception):
    """Base of all errors that are reported without a traceback."""


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong with one file: `place` is a task and pair or a field, `problem` says what is allowed."""

    file: str
    place: str
    problem: str
    value: str = ""

    def __str__(self) -> str:
        value = f" (found {self.value})" if self.value else ""
        place = f" {self.place}:" if self.place else ""
        return f"{self.file}:{place} {self.problem}{value}"


class FaultyInput(ArcPipelineError):
    """Carries every fault that was found, so that all can be fixed at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        count = f"{len(self.faults)} problem{'s' if len(self.faults) > 1 else ''} found"
        super().__init__(f"{count}:\n{lines}")


def words_of(error: Exception) -> str:
    """What an error of a library says, in one line; of a database, without the statement that failed."""
    return " ".join(str(getattr(error, "orig", error)).split())


class UndecodableGrid(ArcPipelineError):
    """A text that is no grid in the given encoding; `str(error)` is the reason, one of a few kinds."""


class StaleUpstream(ArcPipelineError):
    """What an artefact would be made from is stale; the message has each cause, and both ways out."""

    def __init__(self, causes: Sequence[str]) -> None:
        more = [f"and {len(causes) - MOST_CAUSES} more"] if len(causes) > MOST_CAUSES else []
        shown = "".join(f"\n  {cause}" for cause in [*causes[:MOST_CAUSES], *more])
        super().__init__(
            f"nothing is made from what is stale:{shown}\nmake that first: in the UI launch refresh_job "
            "(Jobs) or materialize it; on the command line run: arc-pipeline refresh"
        )


class MissingArtefact(ArcPipelineError):
    """An artefact that another one needs is not there yet; the message says which asset to materialize."""


class DamagedArtefact(MissingArtefact):
    """The files or the record of an artefact are not what was written; it counts as missing and can be made again."""

    def __init__(self, artefact: object, problem: str) -> None:
        super().__init__(
            f"{artefact} cannot be used: {problem}; it counts as missing, to make it again run: "
            f"arc-pipeline refresh --select '{artefact}'"
        )


class MissingWeights(ArcPipelineError):
    """The weights that an experiment starts from are not on this machine; the message says where to put them."""
