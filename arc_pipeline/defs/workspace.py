"""The data directory as a resource, and artefacts in the making: what one reads is recorded as its lineage."""

import errno
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.augmentation.checks import Verdict, summary
from arc_pipeline.arc.experiment import Experiment, ExperimentCatalogue
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.defs.asset_code import definitions_of
from arc_pipeline.defs.column_docs import column_schema
from arc_pipeline.defs.config_versions import config_version
from arc_pipeline.defs.data_dir import data_directory
from arc_pipeline.defs.partitions import partition_path, read_experiments
from arc_pipeline.defs.upkeep.dead_runs import tag_with_process
from arc_pipeline.errors import ArcPipelineError, MissingArtefact
from arc_pipeline.store.artefact import Artefact, Lineage, Store, hash_tables, read_table, write_table
from arc_pipeline.store.environment import environment
from arc_pipeline.uncounted import uncounted

MOST_METADATA_ROWS = 50
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Making:
    """One artefact while it is being made."""

    def __init__(self, context: dg.AssetExecutionContext, store: Store, directory: Path) -> None:
        self._context, self._store, self.directory = context, store, directory
        key = context.partition_key if context.has_partition_key else None
        self.artefact = Artefact(context.asset_key.to_user_string(), partition_path(key))
        self.upstream: dict[str, str] = {}
        self._started = time.monotonic()
        self._counted = 0.0

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
        return read_experiments()

    def history(self) -> list[Experiment]:
        """The experiment of this partition, then those whose checkpoints it goes on from, as their files say now."""
        history = self._experiments.history(self.experiment.name)
        if start := history[-1].initial_checkpoint:
            raise ArcPipelineError(
                f"{history[-1].name} goes on from {start}, whose file cannot be used; mend that first"
            )
        return history

    @property
    def temperature(self) -> float:
        """The temperature of this partition's decoding."""
        return DECODINGS[self.artefact.partition.split("/")[1]]

    def configured(self, asset: str, of: Experiment | None = None) -> Experiment:
        """The experiment, or another, after its file was compared with what the config asset has recorded of it."""
        experiment = of or self.experiment
        self.read(asset, experiment.name)
        start = experiment.initial_checkpoint
        version = self.lineage("checkpoint", start).data_version if asset == "initial_weights" and start else ""
        if config_version(asset, experiment, version) != self.lineage(asset, experiment.name).data_version:
            raise ArcPipelineError(
                f"{experiment.name}.yaml or its starting weights changed since {asset}[{experiment.name}] was "
                f"materialized; materialize that first, or run: arc-pipeline refresh --select {experiment.name}"
            )
        return experiment

    def read(self, asset: str, partition: str = "") -> Path:
        """The current version of another artefact, entered into the lineage of this one."""
        self.upstream[str(Artefact(asset, partition))] = self.lineage(asset, partition).data_version
        return self.current(asset, partition)

    def current(self, asset: str, partition: str = "") -> Path:
        """The current version of another artefact that is no upstream of this one."""
        return self._store.current(Artefact(asset, partition))

    def lineage(self, asset: str, partition: str = "") -> Lineage:
        """The record of another artefact's current version."""
        record = self._store.lineage(Artefact(asset, partition))
        if record is None:
            raise MissingArtefact(f"{Artefact(asset, partition)} is not there yet, materialize it first")
        return record

    def table(self, asset: str, partition: str = "", name: str = "") -> pa.Table:
        """A table of another artefact; its name is the asset's unless given."""
        return read_table(self.read(asset, partition), name or asset)

    def exists(self, asset: str, partition: str = "") -> bool:
        """Whether another artefact has been materialized."""
        return self._store.lineage(Artefact(asset, partition)) is not None

    def experiments_with(self, asset: str) -> list[str]:
        """The experiments, as their files are there now, of which another asset has been materialized."""
        return [name for name in read_experiments().names() if self.exists(asset, name)]

    def present(self, asset: str, experiment: str) -> list[str]:
        """The decodings at which an experiment has been materialized, in their order."""
        return [decoding for decoding in DECODINGS if self.exists(asset, f"{experiment}/{decoding}")]

    def trace(self, asset: str, partition: str) -> str:
        """Names one version of another artefact: `asset[partition]@version`."""
        return f"{Artefact(asset, partition)}@{self.lineage(asset, partition).data_version[:16]}"

    def save_tables(
        self, tables: Mapping[str, pa.Table], leave_out: tuple[str, ...] = (), **more: Any
    ) -> dg.MaterializeResult[None]:
        """Writes tables; the data version is the hash of their values, but for the columns left out."""
        for name, table in tables.items():
            write_table(table, self.directory, name)
        main = next(iter(tables.values()))
        described = {"dagster/row_count": main.num_rows, "dagster/column_schema": column_schema(main.schema)}
        more["metadata"] = described | more.get("metadata", {})
        return self.save(hash_tables(tables, leave_out), **more)

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
        verdicts, expected = verdicts or {}, [*(expected_violations or []), *(warnings or [])]
        seconds = time.monotonic() - self._started + self._counted
        record = Lineage(
            artefact=str(self.artefact),
            data_version=data_version,
            code_version=self.code_version,
            code=definitions_of(self.artefact.asset),
            upstream=self.upstream,
            checks={name: summary(each) | {"expected": name in expected} for name, each in verdicts.items()},
            config=dict(config or {}),
            metadata={key: value for key, value in (metadata or {}).items() if _is_plain(value)},
            run_id=self._context.run_id,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            environment=environment(),
        )
        place = self._store.commit(self.directory, record)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(data_version),
            metadata={
                **{key: _rounded(value) for key, value in (metadata or {}).items()},
                "path": dg.MetadataValue.path(str(place)),
                "seconds": round(seconds, 2),
                "upstream": dg.MetadataValue.json({name: version[:16] for name, version in self.upstream.items()}),
            },
            check_results=[_check_result(name, each, name in expected) for name, each in verdicts.items()],
        )

    def repeat(self, record: Lineage, metadata: Mapping[str, Any]) -> dg.MaterializeResult[None]:
        """Reports the current version of this artefact once more, with what it says of itself: nothing was made."""
        verdicts = [
            _check_result(
                name, Verdict(each["passed"], each["description"], tuple(each["offenders"])), each["expected"]
            )
            for name, each in record.checks.items()
        ]
        place = self._store.current(self.artefact)
        described = {key: _rounded(value) for key, value in metadata.items()}
        described |= {"path": dg.MetadataValue.path(str(place)), "reused": True}
        version = dg.DataVersion(record.data_version)
        return dg.MaterializeResult(data_version=version, metadata=described, check_results=verdicts)

    @property
    def code_version(self) -> str:
        """The version of the code that makes this artefact."""
        definition = self._context.assets_def
        return definition.code_versions_by_key[self._context.asset_key] or ""


def _check_result(name: str, verdict: Verdict, expected: bool) -> dg.AssetCheckResult:
    words = verdict.description + (
        " (a warning, or expected by this experiment)" if expected and not verdict.passed else ""
    )
    return dg.AssetCheckResult(
        check_name=name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN if expected else dg.AssetCheckSeverity.ERROR,
        description=words,
        metadata={"offenders": len(verdict.offenders), **_listed(verdict.offenders)},
    )


def _listed(offenders: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """The offending ids as a table, cut after some, where there are any."""
    rows = [dg.TableRecord({"offender": each}) for each in offenders[:MOST_METADATA_ROWS]]
    return {"offending": dg.MetadataValue.table(rows)} if rows else {}


def _rounded(value: Any) -> Any:
    """A number as a person reads it; the record beside the artefact has it in full."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The data directory of this project; `ARC_PIPELINE_DATA` names another one."""

    @property
    def data(self) -> Path:
        """The data directory."""
        return data_directory()

    @property
    def store(self) -> Store:
        """Everything that was materialized."""
        return Store(self.data / "store")

    @contextmanager
    def making(self, context: dg.AssetExecutionContext) -> Iterator[Making]:
        """An artefact in the making; errors that a user can mend end the step without a retry."""
        tag_with_process(context.instance, context.run_id)
        key = context.partition_key if context.has_partition_key else None
        artefact = Artefact(context.asset_key.to_user_string(), partition_path(key))
        try:
            with self.store.writing(artefact) as directory:
                yield Making(context, self.store, directory)
        except ArcPipelineError as error:
            raise dg.Failure(description=f"{artefact}: {error}", allow_retries=False) from error
        except OSError as error:
            words = f"{artefact}: {error}"
            if error.errno in DISK_ERRORS:
                words += f" ({shutil.disk_usage(self.data).free / 1e9:.1f} GB free on its disk)"
            raise dg.Failure(description=words) from error


@uncounted("metadata for people")
def markdown_table(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """A table that the UI shows as such, cut after some rows."""
    shown = rows[:MOST_METADATA_ROWS]
    names = list(shown[0]) if shown else ["empty"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in shown]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def markdown_metadata(texts: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    """Texts that the UI shows as Markdown."""
    return {name: dg.MetadataValue.md(text) for name, text in texts.items()}
