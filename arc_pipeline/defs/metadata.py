"""What Dagster's UI shows of an artefact: its metadata, tables as Markdown, the results of its checks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from arc_pipeline.defs.column_docs import column_schema
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.uncounted import uncounted

uncounted("metadata for people")

MOST_METADATA_ROWS = 50


def report_of(
    record: Lineage, place: Path, metadata: Mapping[str, Any], how: Mapping[str, Any]
) -> dg.MaterializeResult[None]:
    """One version of an artefact, as Dagster is told of it; `how` it was made comes after what it says of itself."""
    shown = {key: _rounded(value) for key, value in metadata.items()}
    if "table" in shown:  # Dagster's UI would show the columns before it
        schema = shown.pop("dagster/column_schema", dg.TableSchema([]))
        how = {**how, "columns": _columns(schema)}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(record.data_version),
        metadata={**shown, "path": dg.MetadataValue.path(str(place)), **how},
        check_results=[_check_result(name, check) for name, check in record.checks.items()],
    )


def _columns(schema: dg.TableSchema) -> dg.MetadataValue:
    """The columns of a table as metadata like any other."""
    rows = [{"column": each.name, "type": each.type, "meaning": each.description or ""} for each in schema.columns]
    return dg.MetadataValue.md(_markdown(rows))


def _check_result(name: str, check: Mapping[str, Any]) -> dg.AssetCheckResult:
    """The result of a check, from what the record says of it."""
    expected = " (a warning, or expected by this experiment)" if check["expected"] and not check["passed"] else ""
    return dg.AssetCheckResult(
        check_name=name,
        passed=check["passed"],
        severity=dg.AssetCheckSeverity.WARN if check["expected"] else dg.AssetCheckSeverity.ERROR,
        description=check["description"] + expected,
        metadata={"offenders": len(check["offenders"]), **_listed(check["offenders"])},
    )


def _listed(offenders: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """The offending ids as a table, cut after some, where there are any."""
    rows = [dg.TableRecord({"offender": offender}) for offender in offenders[:MOST_METADATA_ROWS]]
    return {"offending": dg.MetadataValue.table(rows)} if rows else {}


def _rounded(value: Any) -> Any:
    """A number as a person reads it; the record beside the artefact has it in full."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def is_plain(value: Any) -> bool:
    """Whether metadata is text or a number, which the record keeps as well."""
    return isinstance(value, (str, int, float, bool))


def described_table(table: pa.Table) -> dict[str, Any]:
    """How long a table is, and what its columns mean."""
    return {"dagster/row_count": table.num_rows, "dagster/column_schema": column_schema(table.schema)}


def markdown_table(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """A table that the UI shows as such, cut after some rows."""
    return dg.MetadataValue.md(_markdown(rows[:MOST_METADATA_ROWS]))


def _markdown(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0]) if rows else ["empty"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def markdown_metadata(texts: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    """Texts that the UI shows as Markdown."""
    return {name: dg.MetadataValue.md(text) for name, text in texts.items()}
