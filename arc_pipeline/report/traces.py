"""From a number of the leaderboard down to the bytes: every artefact that it was made from, with its files. Knows no
page."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from arc_pipeline.errors import MissingArtefact
from arc_pipeline.report.leaderboard import SHOWN_COMMIT, Entry
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.trace import chain

# more rows than this are traced by the command line
MOST_TRACES = 40


@dataclass(frozen=True)
class Step:
    """One artefact of a chain. `files` are (name, bytes, SHA-256), `upstream` the places in the chain of what it was
    made from; a record that is lost has nothing but its version."""

    artefact: str
    version: str
    made: str = ""
    seconds: float | None = None
    commit: str = ""
    files: tuple[tuple[str, int, str], ...] = ()
    upstream: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Trace:
    """What one row was made from, the metrics themselves first; `name` is that of its row."""

    name: str
    steps: tuple[Step, ...]


def traces_of(store: Store, leaders: Sequence[Entry]) -> dict[str, Trace]:
    """Of each row that is traced, by its trace id; without those whose own record is lost."""
    names = {entry.metrics[0].trace: entry.experiment for entry in leaders}
    found: dict[str, Trace] = {}
    for id_ in list(filter(None, names))[:MOST_TRACES]:
        artefact, _, version = id_.partition("@")
        with suppress(MissingArtefact):
            found[id_] = Trace(names[id_], tuple(steps(store, Artefact.parse(artefact), version)))
    return found


def steps(store: Store, artefact: Artefact, version: str) -> list[Step]:
    """The chain of an artefact, each before what it was made from."""
    records = chain(store, artefact, version)
    places = {key: place for place, key in enumerate(records)}
    return [
        _step(store, record, places) if record else Step(str(upstream), lost)
        for (upstream, lost), record in records.items()
    ]


def _step(store: Store, record: Lineage, places: dict[tuple[Artefact, str], int]) -> Step:
    upstream = store.upstream(record).items()
    keys = [(each, found.id if found else record.upstream[str(each)]) for each, found in upstream]
    return Step(
        record.artefact,
        record.data_version,
        record.created_at,
        record.seconds,
        record.environment.get("git_commit", "")[:SHOWN_COMMIT],
        tuple((name, seal.size, seal.sha256) for name, seal in sorted((record.files or {}).items())),
        tuple((str(key[0]), places[key]) for key in keys if key in places),
    )
