"""One command's view of the project: its definitions, instance and store. What the command line and tests drive."""

from collections.abc import Callable, Sequence

import dagster as dg

from arc_pipeline.arc.artefact import Store
from arc_pipeline.defs import refresh
from arc_pipeline.defs.location import data_directory
from arc_pipeline.defs.staleness import Scanner, Status

Report = Callable[[int, int, refresh.Batch], None]


class Session:
    """Call `instance.prepare` first."""

    def __init__(self, definitions: dg.Definitions) -> None:
        self.definitions, self.store = definitions, Store(data_directory() / "store")
        self.instance = dg.DagsterInstance.get()

    def plan(self, select: Sequence[str] = ()) -> list[Status]:
        """What a refresh would make now, upstream first."""
        return self._plan(select)[1]

    def _plan(self, select: Sequence[str]) -> tuple[Scanner, list[Status]]:
        scanner = Scanner(self.definitions, self.instance, self.store)
        return scanner, refresh.selected(scanner, scanner.scan(), select)

    def refresh(self, select: Sequence[str], report: Report = lambda *_: None) -> list[refresh.Outcome]:
        """Makes what is missing or stale among the selected; empty when nothing was."""
        scanner, planned = self._plan(select)
        return refresh.refresh(self.definitions, self.instance, self.store, scanner, planned, report)
