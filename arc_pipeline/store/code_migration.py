"""Records made before code versions went by content: which of today's code versions theirs are.

Until commit 6f97946 a code version was a hash over `module:name` of each definition, so that moving a file changed it.
What that commit made counts as made by the code that followed it, which computes the same: `code_of_6f97946.json` has
both versions of each asset. Knows the two ways of naming code, not what the code does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from arc_pipeline.store.code_version import changed_definitions
from arc_pipeline.uncounted import uncounted

uncounted("says what code is called, and is none of it")

TABLE = Path(__file__).with_name("code_of_6f97946.json")
# the names of definitions in records of that time begin with the package's
FORMER_NAMES = "arc_pipeline."


@dataclass(frozen=True)
class Migration:
    """The code of one asset at that commit: its version and definitions as written then, and as they count now."""

    former: str
    former_definitions: Mapping[str, str]
    version: str
    definitions: Mapping[str, str]


@cache
def migrations() -> dict[str, Migration]:
    """By asset; `completions` are those that are kept in shards."""
    table = json.loads(TABLE.read_bytes())
    return {
        asset: Migration(
            code["former"],
            dict(table["former_definitions"][place] for place in code["former_definitions"]),
            code["version"],
            dict(table["definitions"][place] for place in code["definitions"]),
        )
        for asset, code in table["assets"].items()
    }


def is_former(code: Mapping[str, str]) -> bool:
    """Whether a record names its code as was done then."""
    return any(name.startswith(FORMER_NAMES) for name in code)


def migrated(asset: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record as it would be written now; one of any other code of that time stays as it is, and so is stale."""
    known = migrations().get(asset) if is_former(record.get("code", {})) else None
    if known is None or record["code_version"] != known.former:
        return record
    return record | {"code_version": known.version, "code": dict(known.definitions)}


def former_version(asset: str, version: str) -> str | None:
    """The version that was written then for the code of a version, None if that is other code."""
    known = migrations().get(asset)
    return known.former if known and known.version == version else None


def changed_code(asset: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The definitions that differ between two listings of an asset's code, each of any time."""
    if is_former(old) == is_former(new):
        return changed_definitions(old, new)
    if is_former(new):
        return changed_code(asset, new, old)
    known = migrations().get(asset)
    if known is None:
        return []
    then = known.former_definitions
    before = sorted(name for name in old.keys() | then.keys() if old.get(name) != then.get(name))
    names = [name.removeprefix(FORMER_NAMES).replace(":", " ") for name in before]
    return list(dict.fromkeys([*names, *changed_definitions(known.definitions, new)]))
