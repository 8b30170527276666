"""The chain from one number in a table to the bytes it came from, read from the records beside the artefacts alone.

Works without Dagster's database; who has it can compare the entries with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store

LOST = "its record is lost"
OVERWRITTEN = "its record was overwritten by a later one, as former stores did: what it was made from is not known"


def lineage_chain(store: Store, artefact: Artefact, version: str = "") -> list[dict[str, Any]]:
    """One entry for each record that this artefact was made from, its own first, each before its own upstream.

    `version`, the first digits of a data version or of the id of a record, selects an older one. MissingArtefact if
    there is no such record.
    """
    return [
        _entry(store, each) if each else _lost(store, artefact, version)
        for (artefact, version), each in chain(store, artefact, version).items()
    ]


def records(store: Store, artefact: Artefact, version: str = "") -> dict[str, Lineage]:
    """The records of the same chain, by artefact; of several of one artefact the one that is nearest."""
    found: dict[str, Lineage] = {}
    for (upstream, _), record in chain(store, artefact, version).items():
        if record:
            found.setdefault(str(upstream), record)
    return found


def record_of(store: Store, artefact: Artefact, version: str = "") -> Lineage:
    """The current record of an artefact, or that of an older version; MissingArtefact if there is none."""
    record = store.find(artefact, version) if version else store.record(artefact)
    if record is None and not version:
        raise MissingArtefact(store.problem(artefact) or f"{artefact} is not there yet, materialize it first")
    if record is None:
        kept = dict.fromkeys(each.data_version[:16] for each in store.history(artefact))
        raise MissingArtefact(f"{artefact} has no version {version}; there are: {', '.join(kept) or 'none'}")
    return record


def chain(store: Store, artefact: Artefact, version: str = "") -> dict[tuple[Artefact, str], Lineage | None]:
    """The records that this one was made from, its own first: by artefact and id, by data version where a record is
    lost, which is None."""
    seen: dict[tuple[Artefact, str], Lineage | None] = {}

    def follow(artefact: Artefact, record: Lineage) -> None:
        if (artefact, record.id) in seen:
            return
        seen[artefact, record.id] = record
        for upstream, its_record in store.upstream(record).items():
            if its_record:
                follow(upstream, its_record)
            else:
                seen.setdefault((upstream, record.upstream[str(upstream)]))

    follow(artefact, record_of(store, artefact, version))
    return seen


def _lost(store: Store, artefact: Artefact, version: str) -> dict[str, Any]:
    overwritten = any(each.data_version == version for each in store.history(artefact))
    words = OVERWRITTEN if overwritten else LOST
    return {"artefact": str(artefact), "data_version": version, "record": "", "kept": False, "lost": words}


def _entry(store: Store, record: Lineage) -> dict[str, Any]:
    newest = store.record(Artefact.parse(record.artefact))
    return {
        "artefact": record.artefact,
        "data_version": record.data_version,
        "record": record.id,
        "current": newest is not None and newest.data_version == record.data_version,
        "kept": store.is_kept(record),
        **record.model_dump(
            include={"code_version", "created_at", "seconds", "run_id", "accepted", "upstream", "renamed_from"}
        ),
        **record.environment,
        "checks": {name: verdict["passed"] for name, verdict in record.checks.items()},
    }


def chain_lines(entries: list[dict[str, Any]]) -> Iterator[str]:
    """The chain for a person, one line an artefact."""
    for entry in entries:
        if "lost" in entry:
            yield f"{entry['artefact']}  version {entry['data_version'][:8]}  {entry['lost']}"
            continue
        commit = f"  commit {entry['git_commit'][:10]}" if entry.get("git_commit") else ""
        yield (
            f"{entry['artefact']}  version {entry['data_version'][:8]}  code {entry['code_version'][:8] or 'none'}"
            f"  {entry['created_at']}  {entry['seconds']:.1f} s  run {entry['run_id'][:8]}{commit}{_marks(entry)}"
        )
        if entry["artefact"].startswith("checkpoint") and entry.get("packages"):
            yield f"    on {_machine(entry)}"


def _marks(entry: dict[str, Any]) -> str:
    """What is to be known of an artefact beside how it was made."""
    marks = [] if entry["kept"] else ["pruned: its files are not kept any more"]
    marks += [] if entry["current"] else ["(not the current version)"]
    marks += [f"renamed from {entry['renamed_from'].partition('@')[0]}"] if entry["renamed_from"] else []
    marks += [f"stale: {cause}" for cause in entry.get("stale", [])]
    marks += [f"check failed: {name}" for name, passed in entry["checks"].items() if not passed]
    marks += [f"accepted: {acceptance['reason']}" for acceptance in entry["accepted"]]
    return "".join(f"  {mark}" for mark in marks)


def _machine(entry: dict[str, Any]) -> str:
    """The hardware and the packages that a training ran with."""
    packages = ", ".join(f"{name} {version}" for name, version in entry["packages"].items())
    cpu, cores = (entry["hardware"][name] for name in ("cpu", "cores"))
    return f"{_elsewhere(entry.get('ran_on'))}{cpu} ({cores} cores), python {entry['python']}, {packages}"


def _elsewhere(ran_on: Mapping[str, Any] | None) -> str:
    """The machine of data/machines.yaml that a training was sent to, if it was."""
    if not ran_on:
        return ""
    gpus = f", GPUs {', '.join(ran_on['gpus'])}" if ran_on["gpus"] else ""
    return f"{ran_on['machine']}: {ran_on['engine']} job {ran_on['job']} on {ran_on['host']}{gpus}, "
