"""Makes Dagster's UI show what is stale: a check of each partition with a summary, and an observation with the reason.

Writes only what changed: an event costs 40 ms, and a project has thousands of partitions. Makes no artefact.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus, AssetCheckPartitionInfo

from arc_pipeline.defs.declare import IS_CURRENT
from arc_pipeline.defs.staleness.scanner import FRESH, Node, Scanner, Status
from arc_pipeline.store.artefact import hash_json

# where the hashes of the reasons that were written lie in Dagster's database, one entry an asset
REASONS = "arc_pipeline/is_current/{}"
MOST_ROWS = 50
PASSED = AssetCheckExecutionRecordStatus.SUCCEEDED
FAILED = AssetCheckExecutionRecordStatus.FAILED
Event = dg.AssetCheckEvaluation | dg.AssetObservation


@dataclass(frozen=True)
class Marked:
    """What Dagster's database says of an asset already: the latest row of each partition, and hashes of reasons."""

    rows: Mapping[str | None, AssetCheckPartitionInfo]
    reasons: Mapping[str, str]

    def says(self, status: Status, reason: str) -> bool:
        """Whether it says of a partition what is so."""
        row = self.rows.get(status.node.partition_key)
        if row is None or not row.is_current:  # is_current: of the latest materialization
            return False
        if status.status == FRESH:
            return row.latest_execution_status == PASSED
        return row.latest_execution_status == FAILED and self.reasons.get(status.node.artefact.partition) == reason


class Marks:
    """The events that are missing in Dagster's database, for the statuses that a scanner finds."""

    def __init__(self, scanner: Scanner, instance: DagsterInstance) -> None:
        self._scanner, self._instance = scanner, instance
        self._made_from = cache(scanner.made_from)
        self._reasons: dict[str, dict[str, str]] = {}
        known = [status for status in scanner.scan() if scanner.recorded(status.node)]
        self._by_asset: dict[str, list[Status]] = {}
        for status in known:
            self._by_asset.setdefault(status.node.key, []).append(status)

    @cached_property
    def events(self) -> list[Event]:
        """What to write, the summary of each asset last; empty if the UI shows what is so already."""
        return [event for asset, statuses in self._by_asset.items() for event in self._of_asset(asset, statuses)]

    def remember(self) -> None:
        """Keeps what was written, after it was."""
        if written := {REASONS.format(asset): json.dumps(reasons) for asset, reasons in self._reasons.items()}:
            self._instance.run_storage.set_cursor_values(written)

    def _of_asset(self, asset: str, statuses: Sequence[Status]) -> Iterator[Event]:
        marked = self._marked(asset)
        reasons = {s.node.artefact.partition: self._hash(s) for s in statuses if s.status != FRESH}
        changed = [s for s in statuses if not marked.says(s, reasons.get(s.node.artefact.partition, ""))]
        for status in changed:
            yield from self._of_partition(status, marked)
        if reasons != marked.reasons:
            self._reasons[asset] = reasons
        if statuses[0].node.partition_key is not None:
            summary = self._summary(asset, statuses)
            if changed or not self._stands_last(summary):
                yield summary

    def _marked(self, asset: str) -> Marked:
        key = REASONS.format(asset)
        reasons = self._instance.run_storage.get_cursor_values({key}).get(key, "{}")
        rows = self._instance.event_log_storage.get_asset_check_partition_info([_check(asset)])
        return Marked({row.partition_key: row for row in rows}, json.loads(reasons))

    def _of_partition(self, status: Status, marked: Marked) -> Iterator[Event]:
        node, is_fresh = status.node, status.status == FRESH
        row = marked.rows.get(node.partition_key)
        was_stale = row is not None and row.latest_execution_status == FAILED
        if not is_fresh or was_stale:
            shown = self._explained(status) if not is_fresh else {"stale": False, "why": "is current again"}
            yield dg.AssetObservation(node.key, partition=node.partition_key, metadata=shown)
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(node.key),
            check_name=IS_CURRENT,
            passed=is_fresh,
            description="everything that it was made from is as it was" if is_fresh else self._why(status),
            metadata={} if is_fresh else self._explained(status),
            target_materialization_data=self._target(node),
            severity=dg.AssetCheckSeverity.ERROR,
            partition=node.partition_key,
        )

    def _target(self, node: Node) -> Any:
        """The materialization that a row is about; without it the UI shows the check of the partition as missing."""
        key, only = dg.AssetKey(node.key), [node.partition_key] if node.partition_key else None
        found = self._instance.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=only), limit=1)
        if not found.records:
            return None
        from dagster._core.definitions.asset_checks.asset_check_evaluation import (
            AssetCheckEvaluationTargetMaterializationData as Target,
        )

        record = found.records[0]
        return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)

    def _hash(self, status: Status) -> str:
        """Changes with what a person reads of it."""
        return hash_json([self._why(status), self._redo(status), self._below(status)])[:16]

    def _why(self, status: Status) -> str:
        """The causes, followed to where they begin."""
        before = self._scanner.stale_upstream(status.node) if status.inherited else []
        return "; ".join(str(each) for each in before) or "; ".join(status.causes)

    def _redo(self, status: Status) -> str:
        """What redoing it costs, with all that is made from it."""
        return f"{in_words([status])}; with everything that is made from it {in_words(self._below_statuses(status))}"

    def _explained(self, status: Status) -> dict[str, Any]:
        shown: dict[str, Any] = {"stale": True, "why": self._why(status), "redoing it takes": self._redo(status)}
        if below := self._below(status):
            rows = [dg.TableRecord({"asset": asset, "partitions": ", ".join(names)}) for asset, names in below.items()]
            shown["makes stale"] = dg.MetadataValue.table(rows)
        return shown | {"ways out": "refresh_job (Jobs), or on the command line: arc-pipeline refresh"}

    def _below_statuses(self, status: Status) -> list[Status]:
        return [status, *map(self._scanner.status, self._made_from(status.node))]

    def _below(self, status: Status) -> dict[str, list[str]]:
        """The partitions of each asset that are made from it, checkpoints and tables first."""
        below: dict[str, list[str]] = {}
        for node in self._made_from(status.node):
            if self._scanner.recorded(node):
                below.setdefault(node.key, []).append(node.artefact.partition or "all")
        first = ["checkpoint", "results_table", "temperature_table", "duration_table"]
        return {asset: below[asset] for asset in sorted(below, key=lambda name: (name not in first, name))}

    def _summary(self, asset: str, statuses: Sequence[Status]) -> dg.AssetCheckEvaluation:
        stale = [status for status in statuses if status.status != FRESH]
        rows = [
            dg.TableRecord({"partition": s.node.artefact.partition, "why": self._why(s)}) for s in stale[:MOST_ROWS]
        ]
        words = f"{len(stale)} of {len(statuses)} stale"
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=IS_CURRENT,
            passed=not stale,
            description=f"{words}; redoing takes {in_words(stale)}" if stale else f"all {len(statuses)} are current",
            metadata={"stale": dg.MetadataValue.table(rows)} if rows else {},
            severity=dg.AssetCheckSeverity.ERROR,
        )

    def _stands_last(self, summary: dg.AssetCheckEvaluation) -> bool:
        """Whether the latest row of the check, which the asset's overview shows, is this one."""
        key = summary.asset_check_key
        last = self._instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
        event = last.event.dagster_event if last and last.event else None
        if event is None or event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            return False
        said = event.asset_check_evaluation_data
        return said.partition is None and (said.passed, said.description) == (summary.passed, summary.description)


def _check(asset: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(asset), IS_CURRENT)


def in_words(statuses: Collection[Status]) -> str:
    """What making these takes, as last time; those of which nothing is known are counted."""
    from arc_pipeline.machine.durations import readable_duration

    stale = [status for status in statuses if status.status != FRESH]
    seconds = sum(status.seconds or 0.0 for status in stale)
    unknown = Counter(status.seconds is None for status in stale)[True]
    return f"about {readable_duration(seconds)}" + (f" and {unknown} of which nothing is known" if unknown else "")
