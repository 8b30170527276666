"""The chain from one number in a table to the bytes it came from, read from the records beside the artefacts alone.

Works without Dagster's database; who has it can compare the entries with it.
"""

from collections.abc import Iterator
from typing import Any

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.store.artefact import CURRENT, Artefact, Lineage, Store


def lineage_chain(store: Store, artefact: Artefact, data_version: str = "") -> list[dict[str, Any]]:
    """One entry for each artefact that this one was made from, itself first, each before its own upstream.

    `data_version` (its first digits) selects an older version. MissingArtefact if that is not kept.
    """
    if store.lineage(artefact) is None:
        raise MissingArtefact(f"{artefact} is not there yet, materialize it first")
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    _follow(store, artefact, data_version, seen)
    return list(seen.values())


def records(store: Store, artefact: Artefact, data_version: str = "") -> dict[str, Lineage]:
    """The records of the same chain, by artefact, of the versions that are kept."""
    kept = [entry for entry in lineage_chain(store, artefact, data_version) if entry["kept"]]
    read = {
        entry["artefact"]: _record(store, Artefact.parse(entry["artefact"]), entry["data_version"]) for entry in kept
    }
    return {name: record for name, record in read.items() if record is not None}


def _follow(store: Store, artefact: Artefact, wanted: str, seen: dict[tuple[str, str], dict[str, Any]]) -> None:
    record = _record(store, artefact, wanted)
    if record is None:
        if not seen:
            kept = ", ".join(path.name for path in store.versions(artefact))
            raise MissingArtefact(f"{artefact} has no version {wanted}; there are: {kept}")
        seen[str(artefact), wanted] = {"artefact": str(artefact), "data_version": wanted, "kept": False}
        return
    key = (record.artefact, record.data_version)
    if key in seen:
        return
    current = store.lineage(artefact)
    seen[key] = _entry(record, is_current=current is not None and current.data_version == record.data_version)
    for name, version in record.upstream.items():
        _follow(store, Artefact.parse(name), version, seen)


def _record(store: Store, artefact: Artefact, wanted: str) -> Lineage | None:
    directory = store.version(artefact, wanted) if wanted else store.place(artefact) / CURRENT
    return store.read_lineage(directory) if directory else None


def _entry(record: Lineage, is_current: bool) -> dict[str, Any]:
    return {
        "artefact": record.artefact,
        "data_version": record.data_version,
        "current": is_current,
        "kept": True,
        **record.model_dump(include={"code_version", "created_at", "seconds", "run_id", "accepted", "upstream"}),
        **record.environment,
        "checks": {name: verdict["passed"] for name, verdict in record.checks.items()},
    }


def chain_lines(entries: list[dict[str, Any]]) -> Iterator[str]:
    """The chain for a person, one line an artefact."""
    for entry in entries:
        if not entry["kept"]:
            yield f"{entry['artefact']}  version {entry['data_version'][:8]}  not kept any more"
            continue
        marks = "" if entry["current"] else "  (not the current version)"
        marks += "".join(f"  check failed: {name}" for name, passed in entry["checks"].items() if not passed)
        marks += "".join(f"  accepted: {acceptance['reason']}" for acceptance in entry["accepted"])
        commit = f"  commit {entry['git_commit'][:10]}" if entry.get("git_commit") else ""
        yield (
            f"{entry['artefact']}  version {entry['data_version'][:8]}  code {entry['code_version'][:8] or 'none'}"
            f"  {entry['created_at']}  {entry['seconds']:.1f} s  run {entry['run_id'][:8]}{commit}{marks}"
        )
        if entry["artefact"].startswith("checkpoint") and entry.get("packages"):
            yield f"    on {_machine(entry)}"


def _machine(entry: dict[str, Any]) -> str:
    """The hardware and the packages that a training ran with."""
    packages = ", ".join(f"{name} {version}" for name, version in entry["packages"].items())
    hardware = entry["hardware"]
    return f"{hardware['cpu']} ({hardware['cores']} cores), python {entry['python']}, {packages}"
