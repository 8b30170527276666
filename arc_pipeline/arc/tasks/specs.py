"""`datasets.yaml`: read, and each entry checked against the forms that it may have. Knows nothing of tasks."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from arc_pipeline.arc.names import did_you_mean
from arc_pipeline.arc.tasks.derivations import (
    SPEC_FILE,
    Derivation,
    First,
    LeaveOneOut,
    RandomSplit,
    Shortest,
    Split,
    TaskIds,
    Union,
    spec_fault,
)
from arc_pipeline.arc.tasks.documents import TextLoader, parse_yaml, read_bytes
from arc_pipeline.arc.tasks.sources import ArckitSource
from arc_pipeline.errors import Fault, FaultyInput

KINDS: Mapping[str, type[ArckitSource] | type[Derivation]] = {
    "source": ArckitSource,
    "union": Union,
    "task_ids": TaskIds,
    "random_split": RandomSplit,
    "leave_one_out": LeaveOneOut,
    "first": First,
    "shortest": Shortest,
}


def read_specs(data: Path) -> dict[str, object]:
    """The entries of the file, unchecked, by the names of their datasets."""
    document = parse_yaml(SPEC_FILE, read_bytes(SPEC_FILE, data / SPEC_FILE), TextLoader)
    if document is not None and not isinstance(document, dict):
        raise FaultyInput([spec_fault("", "expected dataset names, each with what it is made of", repr(document))])
    return document or {}


def parse_spec(name: str, entry: object) -> ArckitSource | Derivation:
    """What the entry describes; FaultyInput with every field that is wrong."""
    keys = list(entry) if isinstance(entry, dict) else []
    kinds = [key for key in keys if key in KINDS]
    if len(kinds) != 1:
        hints = "".join(did_you_mean(key, KINDS) for key in keys if key not in (*KINDS, "of"))
        raise FaultyInput([spec_fault(name, f"must have exactly one of {', '.join(KINDS)}{hints}", repr(entry))])
    kind = KINDS[kinds[0]]
    try:
        return kind.model_validate(entry)
    except ValidationError as exc:
        raise FaultyInput([_field_fault(name, error, kind) for error in exc.errors()]) from exc


def _field_fault(name: str, error: ErrorDetails, kind: type[BaseModel]) -> Fault:
    place = ".".join([name, *map(str, error["loc"])])
    if error["type"] == "missing":
        return spec_fault(place, "the field is missing")
    if error["type"] == "extra_forbidden":
        fields = (Split if len(error["loc"]) > 1 else kind).model_fields
        return spec_fault(place, f"unknown field{did_you_mean(str(error['loc'][-1]), fields)}", repr(error["input"]))
    return spec_fault(place, error["msg"], repr(error["input"]))
