"""One command's view of the project: its definitions, instance and store. What the command line and tests drive."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.defs.declare import asset_code, definitions_of
from arc_pipeline.defs.instance import HOME_VARIABLE, locked
from arc_pipeline.defs.staleness.scan_job import mark
from arc_pipeline.defs.staleness.scanner import UNRECORDED, Node, Scanner, Status
from arc_pipeline.defs.upkeep.dead_runs import end_dead_runs
from arc_pipeline.defs.upkeep.on_hold import OnHold
from arc_pipeline.defs.upkeep.refresh import make_planned
from arc_pipeline.defs.upkeep.reporting import report_again, report_all
from arc_pipeline.defs.upkeep.runs import Batch, Outcome, run_batch
from arc_pipeline.defs.upkeep.selection import matches, selected, unnamed
from arc_pipeline.errors import ArcPipelineError, MissingArtefact, MissingWeights
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.code_migration import changed_code
from arc_pipeline.store.lineage import Lineage

Report = Callable[[int, int, Batch], None]
Reported = Callable[[int, int], None]


class Session:
    """On a prepared project: `definitions` has its assets, `instance` is that of DAGSTER_HOME unless given."""

    def __init__(
        self, project: Project, definitions: dg.Definitions, instance: dg.DagsterInstance | None = None
    ) -> None:
        self.project, self.definitions, self.store = project, definitions, project.store
        self.graph, self.job = definitions.resolve_asset_graph(), definitions.resolve_implicit_global_asset_job_def()
        self._instance = instance

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance, opened when it is first asked for."""
        return self._instance or dg.DagsterInstance.get()

    @cached_property
    def readable_instance(self) -> dg.DagsterInstance | None:
        """The same for who only looks: None if there is none yet, or its database cannot be read."""
        home = Path(os.environ.get(HOME_VARIABLE, self.project.data / "dagster_home"))
        if self._instance or not (home / "history").is_dir():
            return self._instance
        os.environ[HOME_VARIABLE] = str(home.absolute())
        try:
            self.instance.get_runs(limit=1)
            self.instance.get_asset_keys(limit=1)
        except Exception:
            return None
        return self.instance

    def experiments(self) -> list[str]:
        """The names of all experiments."""
        return self.project.experiments().names()

    def scanner(self) -> Scanner:
        """A fresh look at what there is."""
        return Scanner(self.project, self.graph, self.instance)

    def looking(self) -> Scanner:
        """The same for who only looks: without Dagster's database, if that cannot be read."""
        return Scanner(self.project, self.graph, self.readable_instance)

    def plan(self, select: Sequence[str] = ()) -> list[Status]:
        """What a refresh would make now, upstream first."""
        return self.look(select)[1]

    def look(self, select: Sequence[str] = ()) -> tuple[Scanner, list[Status]]:
        """The same, with the scanner that found it and knows what each is made from."""
        scanner = self.looking()
        return scanner, self._planned(scanner, select)

    def _planned(self, scanner: Scanner, select: Sequence[str]) -> list[Status]:
        return selected(scanner, scanner.scan(), select, self.on_hold().names)

    def on_hold(self) -> OnHold:
        """The experiments of which a plan has only those that it names."""
        return OnHold.of(self.project)

    def explain_on_hold(self, select: Sequence[str] = ()) -> list[str]:
        """What a plan of these skips, a line for each cause."""
        on_hold = self.on_hold()
        reached = {node.experiment for node in self.looking().nodes() if matches(node, select)}
        return on_hold.explain(reached & unnamed(on_hold.names, select))

    def refuse_missing_weights(self, planned: Sequence[Status]) -> None:
        """MissingWeights, in one line, if an experiment was named that cannot be made before its weights are here."""
        lacking = OnHold(self.on_hold().without_weights, ())
        if lines := lacking.explain({status.node.experiment for status in planned}):
            raise MissingWeights("; ".join(lines))

    def accept(self, asset: str, partitions: str, reason: str) -> list[Lineage]:
        """Declares that a change of code does not change some artefacts; the reason is kept in their records.

        `partitions` is the name of one, or a pattern such as `*`: then those that the current code made are left out.
        """
        meant = Artefact(asset, partitions)
        nodes = [node for node in self.scanner().nodes() if node.key == asset and _is_meant(node, partitions)]
        if not nodes:
            assets = {node.key for node in self.scanner().nodes()}
            names = {node.artefact.partition for node in self.scanner().nodes() if node.key == asset}
            hint = did_you_mean_or_all(*((partitions, names) if asset in assets else (asset, assets)))
            raise ArcPipelineError(f"there is no {meant}: no such asset or partition{hint}")
        made = [(node, record) for node in nodes if (record := self.store.lineage(node.artefact))]
        if not made:
            raise MissingArtefact(f"nothing of {meant} has been made yet, there is nothing to accept")
        code = asset_code(asset)
        now = code.version if code else ""
        if not (other := [(node, record) for node, record in made if record.code_version != now]):
            raise ArcPipelineError(f"{meant} was made by the current code, there is nothing to accept")
        return [self._accept(node, record, now, reason) for node, record in other]

    def _accept(self, node: Node, record: Lineage, now: str, reason: str) -> Lineage:
        code = definitions_of(node.key)
        changed = ", ".join(changed_code(node.key, record.code, code))
        note = {"reason": reason, "changed": changed, "from": record.code_version, "to": now}
        note["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        update = {"code_version": now, "code": code, "accepted": [*record.accepted, note]}
        accepted = record.model_copy(update=update)
        appended = self.store.append(accepted)
        report_again(self.instance, self.store, node)
        return appended

    def compare(self, entries: Sequence[dict[str, Any]]) -> list[str]:
        """Says at each entry of a chain that is current why it is `stale`, if it is; returns in words where Dagster's
        database disagrees with the chain."""
        scanner, warnings = self.looking(), []
        for entry in (entry for entry in entries if entry.get("current")):
            artefact = Artefact.parse(entry["artefact"])
            # the chain has what is upstream as well, each with its own causes
            status = scanner.status(scanner.node(artefact)) if artefact in scanner else None
            entry["stale"] = status.causes if status and status.inherited else scanner.reasons(artefact)
            is_known = self.readable_instance is not None and artefact in scanner
            known = scanner.recorded(scanner.node(artefact)) if is_known else entry["data_version"]
            if known != entry["data_version"]:
                words = f"has {known[:8]}" if known else "does not know it"
                warnings.append(
                    f"{artefact}: the file has version {entry['data_version'][:8]}, Dagster's database {words}"
                )
        return warnings

    def reasons(self, traces: Iterable[str]) -> dict[str, list[str]]:
        """Why the numbers of each trace, `asset[partition]@version`, do not hold any more; empty for those that do."""
        scanner = Scanner(self.project, self.graph, None)
        parts = {trace: trace.partition("@") for trace in traces}
        found = {trace: scanner.reasons(Artefact.parse(name), version) for trace, (name, _, version) in parts.items()}
        scanner.remember_verified()
        return found

    def run(self, batch: Batch, tags: Mapping[str, str] = {}) -> Outcome:
        """One Dagster run."""
        return run_batch(self.job, self.instance, self.store, batch, tags)

    def mark(self, scanner: Scanner | None = None) -> None:
        """Has the UI show what is stale, where that changed."""
        mark(scanner or self.scanner(), self.instance)

    def refresh(
        self,
        select: Sequence[str],
        report: Report = lambda *_: None,
        reported: Reported = lambda *_: None,
        ended: Callable[[Outcome], None] = lambda _: None,
        tags: Mapping[str, str] = {},
    ) -> list[Outcome]:
        """Makes what is missing or stale among the selected; empty when nothing was. Its runs get the tags.

        `reported` is told how many of the artefacts that Dagster's database lacked it has been told of.
        """

        def run(batch: Batch) -> Outcome:
            outcome = self.run(batch, tags)
            ended(outcome)
            return outcome

        with locked(self.store.root / ".refresh.lock", "another refresh of this data directory is running"):
            end_dead_runs(self.instance)
            scanner = self.scanner()
            planned = self._planned(scanner, select)
            unrecorded = [status.node for status in planned if status.status == UNRECORDED]
            report_all(self.instance, self.store, unrecorded, reported)
            scanner.renew(unrecorded)
            outcomes = make_planned(scanner, run, [status.node for status in planned], report)
            self.mark(scanner)
            return outcomes


def _is_meant(node: Node, partitions: str) -> bool:
    """Whether a name or a pattern means the partition of a node."""
    return fnmatch(node.artefact.partition, partitions)
