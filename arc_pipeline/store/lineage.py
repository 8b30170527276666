"""The record of how an artefact came to be: enough to explain it when Dagster's database is gone."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from arc_pipeline.uncounted import uncounted

uncounted("how an artefact is kept is no part of it")


class FileSeal(BaseModel):
    """What a file was when it was committed: its SHA-256 and its size in bytes."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int


class Lineage(BaseModel):
    """How one version of an artefact came to be. Never changed once it is written.

    `content` names the directory of its files, `files` seals each of them. `upstream` has the data versions that it was
    made from, `upstream_records` the ids of their records. Records from before there were seals have neither seals nor
    ids, `files` is None. `renamed_from` names the record, `artefact@id`, that this one takes over under
    another name. `id` is the SHA-256 of the record itself.
    """

    model_config = ConfigDict(extra="ignore")

    artefact: str
    data_version: str
    content: str = ""
    files: dict[str, FileSeal] | None = None
    code_version: str
    code: dict[str, str] = Field(default_factory=dict, repr=False)
    accepted: list[dict[str, str]] = Field(default_factory=list)
    upstream: dict[str, str]
    upstream_records: dict[str, str] = Field(default_factory=dict)
    checks: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    run_id: str = ""
    created_at: str = ""
    seconds: float = 0.0
    environment: dict[str, Any] = Field(default_factory=dict)
    renamed_from: str = ""
    id: str = Field("", exclude=True)

    @property
    def short_id(self) -> str:
        """As many digits of its id as name it."""
        return self.id[:16]
