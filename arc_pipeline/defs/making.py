"""One artefact while it is being made: what it reads is recorded as its lineage, what it wrote becomes its version."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.augmentation.verdict import Verdict
from arc_pipeline.arc.experiment import Experiment, ExperimentCatalogue
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.defs.config_versions import config_version
from arc_pipeline.defs.declare import definitions_of
from arc_pipeline.defs.metadata import described_table, is_plain, report_of
from arc_pipeline.defs.partitions import partition_path
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact, hash_json
from arc_pipeline.store.environment import environment
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.tables import hash_tables, read_table, write_table


def artefact_of(context: dg.AssetExecutionContext) -> Artefact:
    """What a step makes."""
    key = context.partition_key if context.has_partition_key else None
    return Artefact(context.asset_key.to_user_string(), partition_path(key))


class Making:
    """One artefact while it is being made."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project, directory: Path) -> None:
        self._context, self.project, self.directory = context, project, directory
        self._store = project.store
        self.artefact = artefact_of(context)
        self.upstream: dict[str, str] = {}
        self._upstream_records: dict[str, str] = {}
        self._started = time.monotonic()
        self._counted = 0.0
        # of another machine, if it was made there
        self.made_in: Mapping[str, Any] = {}

    @property
    def root(self) -> Path:
        """The directory of the store."""
        return self._store.root

    def count(self, seconds: float) -> None:
        """Counts time that another run spent for this artefact; negative, time that this one spent for others."""
        self._counted += seconds

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment of this partition, as its file says now."""
        return self._experiments.get(self.artefact.partition.split("/")[0])

    @cached_property
    def _experiments(self) -> ExperimentCatalogue:
        return self.project.experiments()

    def history(self) -> list[Experiment]:
        """The experiment of this partition, then those that it is initialised from, as their files say now."""
        history = self._experiments.history(self.experiment.name)
        if start := history[-1].initial_checkpoint:
            raise ArcPipelineError(
                f"{history[-1].name} is initialised from {start}, whose file cannot be used; fix that first"
            )
        return history

    def configured(self, asset: str, of: Experiment | None = None) -> Experiment:
        """The experiment, or another, after its file was compared with what the config asset has recorded of it."""
        experiment = of or self.experiment
        self.read(asset, experiment.name)
        if config_version(asset, experiment, self._store) != self.lineage(asset, experiment.name).data_version:
            raise ArcPipelineError(
                f"{experiment.name}.yaml or its starting weights changed since {asset}[{experiment.name}] was "
                f"materialized; materialize that first, or run: arc-pipeline refresh --select {experiment.name}"
            )
        return experiment

    def read(self, asset: str, partition: str = "", *files: str) -> Path:
        """The current version of another artefact, entered into the lineage of this one; verified, see `current`."""
        record = self.lineage(asset, partition)
        self.upstream[record.artefact] = record.data_version
        self._upstream_records[record.artefact] = record.id
        return self._store.open(record, *files)

    def current(self, asset: str, partition: str = "", *files: str) -> Path:
        """The current version of another artefact that is no upstream of this one.

        Its files are verified: all, or those that match one of the patterns.
        """
        return self._store.current(Artefact(asset, partition), *files)

    def lineage(self, asset: str, partition: str = "") -> Lineage:
        """The record of another artefact's current version."""
        return self._store.required(Artefact(asset, partition))

    def table(self, asset: str, partition: str = "", name: str = "") -> pa.Table:
        """A table of another artefact; its name is the asset's unless given."""
        return read_table(self.read(asset, partition), name or asset)

    def exists(self, asset: str, partition: str = "") -> bool:
        """Whether another artefact has been materialized."""
        return self._store.lineage(Artefact(asset, partition)) is not None

    def experiments_with(self, asset: str) -> list[str]:
        """The experiments, as their files are there now, of which another asset has been materialized."""
        return [name for name in self._experiments.names() if self.exists(asset, name)]

    def present(self, asset: str, experiment: str) -> list[str]:
        """The decodings at which an experiment has been materialized, in their order."""
        return [decoding for decoding in DECODINGS if self.exists(asset, f"{experiment}/{decoding}")]

    def trace(self, asset: str, partition: str) -> str:
        """Names one version of another artefact: `asset[partition]@version`."""
        return f"{Artefact(asset, partition)}@{self.lineage(asset, partition).data_version[:16]}"

    def save_tables(
        self, tables: Mapping[str, pa.Table], leave_out: tuple[str, ...] = (), made_by: Sequence[str] = (), **more: Any
    ) -> dg.MaterializeResult[None]:
        """Writes tables; the data version is the hash of their values, but for the columns left out: of those the
        versions `made_by` say what they are."""
        for name, table in tables.items():
            write_table(table, self.directory, name)
        main = next(iter(tables.values()))
        more["metadata"] = described_table(main) | more.get("metadata", {})
        version = hash_tables(tables, leave_out)
        return self.save(hash_json([version, *made_by]) if made_by else version, **more)

    def save(
        self,
        data_version: str,
        metadata: Mapping[str, Any] | None = None,
        verdicts: Mapping[str, Verdict] | None = None,
        expected_violations: list[str] | None = None,
        warnings: list[str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> dg.MaterializeResult[None]:
        """Commits what was written to `directory` as the current version and reports it to Dagster.

        A check that fails is an error, unless the experiment expects it to fail or it is one that only warns.
        """
        expected = {*(expected_violations or ()), *(warnings or ())}
        record = Lineage(
            artefact=str(self.artefact),
            data_version=data_version,
            checks={
                name: verdict.as_json() | {"expected": name in expected} for name, verdict in (verdicts or {}).items()
            },
            config=dict(config or {}),
            metadata={key: value for key, value in (metadata or {}).items() if is_plain(value)},
            **self._origin(),
        )
        record = self._store.commit(self.directory, record)
        upstream = {name: version[:16] for name, version in record.upstream.items()}
        how = {"seconds": round(record.seconds, 2), "upstream": dg.MetadataValue.json(upstream)}
        return report_of(record, self._store.content(record), metadata or {}, how)

    def _origin(self) -> dict[str, Any]:
        """How the version came to be, as its record says."""
        return {
            "code_version": self.code_version,
            "code": definitions_of(self.artefact.asset),
            "upstream": self.upstream,
            "upstream_records": self._upstream_records,
            "run_id": self._context.run_id,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._started + self._counted, 3),
            "environment": dict(self.made_in) or environment(),
        }

    def repeat(self, record: Lineage, metadata: Mapping[str, Any]) -> dg.MaterializeResult[None]:
        """Reports the current version of this artefact once more, with what it says of itself: nothing was made."""
        return report_of(record, self._store.current(self.artefact), metadata, {"reused": True})

    @property
    def code_version(self) -> str:
        """The version of the code that makes this artefact."""
        return self._context.assets_def.code_versions_by_key[self._context.asset_key] or ""
