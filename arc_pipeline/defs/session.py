"""One command's view of the project: its definitions, instance and store. What the command line and tests drive."""

from collections.abc import Callable, Sequence

import dagster as dg

from arc_pipeline.arc.artefact import Store
from arc_pipeline.arc.errors import Fault
from arc_pipeline.defs import refresh
from arc_pipeline.defs.instance import locked
from arc_pipeline.defs.location import data_directory
from arc_pipeline.defs.partitions import read_datasets, read_experiments
from arc_pipeline.defs.staleness import UNRECORDED, Scanner, Status

Report = Callable[[int, int, refresh.Batch], None]


class Session:
    """Call `instance.prepare` first."""

    def __init__(self, definitions: dg.Definitions) -> None:
        self.definitions, self.store = definitions, Store(data_directory() / "store")
        self.instance = dg.DagsterInstance.get()

    def experiments(self) -> list[str]:
        """The names of all experiments."""
        return read_experiments().names()

    def misnamed(self) -> list[Fault]:
        """Files that are ignored because their names can be no partitions."""
        return [*read_datasets().misnamed(), *read_experiments().misnamed()]

    def scanner(self) -> Scanner:
        """A fresh look at what there is."""
        return Scanner(self.definitions, self.instance, self.store)

    def plan(self, select: Sequence[str] = ()) -> list[Status]:
        """What a refresh would make now, upstream first."""
        scanner = self.scanner()
        return refresh.selected(scanner, scanner.scan(), select)

    def run(self, batch: refresh.Batch) -> refresh.Outcome:
        """One Dagster run."""
        return refresh.run_batch(self.definitions, self.instance, self.store, batch)

    def refresh(self, select: Sequence[str], report: Report = lambda *_: None) -> list[refresh.Outcome]:
        """Makes what is missing or stale among the selected; empty when nothing was."""
        with locked(self.store.root / ".refresh.lock", "another refresh of this data directory is running"):
            refresh.end_dead_runs(self.instance)
            planned = self.plan(select)
            for status in planned:
                if status.status == UNRECORDED:
                    refresh.report_again(self.instance, self.store, status.node)
            return refresh.refresh(self.scanner, self.run, [status.node for status in planned], report)
