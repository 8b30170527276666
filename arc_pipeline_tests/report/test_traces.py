"""From a row of the leaderboard to the files of everything it was made from, read from a real store."""

import hashlib
from pathlib import Path

from arc_pipeline.report.leaderboard import Entry, Origin
from arc_pipeline.report.tables import Cell
from arc_pipeline.report.traces import MOST_TRACES, Step, steps, traces_of
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store


def made(store: Store, name: str, content: bytes, *upstream: Lineage) -> Lineage:
    """An artefact with one file, made from others."""
    artefact = Artefact.parse(name)
    with store.writing(artefact) as directory:
        (directory / "data").write_bytes(content)
        record = Lineage(
            artefact=name,
            data_version=hashlib.sha256(content).hexdigest(),
            code_version="",
            upstream={each.artefact: each.data_version for each in upstream},
            upstream_records={each.artefact: each.id for each in upstream},
            run_id="run",
            created_at="2026-01-02T03:04:05+00:00",
            seconds=1.5,
            environment={"git_commit": "0123456789abcdef"},
        )
        return store.commit(directory, record)


def entry(trace: str) -> Entry:
    return Entry("one", "ten", (Cell("1.0", trace=trace),), "", 5, Origin())


def test_each_artefact_is_there_once_with_its_files_and_links_to_what_it_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tasks = made(store, "tasks[ten]", b"tasks")
    weights = made(store, "checkpoint[one]", b"weights", tasks)
    metrics = made(store, "metrics[one/t0.0]", b"metrics", tasks, weights)
    made(store, "metrics[one/t0.0]", b"later", tasks)
    id_ = f"{metrics.artefact}@{metrics.data_version[:16]}"
    traces = traces_of(store, [entry(id_), entry(id_)])
    assert [*traces] == [id_]
    first, *others = traces[id_].steps
    assert {first.artefact, *(step.artefact for step in others)} == {
        *("metrics[one/t0.0]", "tasks[ten]", "checkpoint[one]")
    }
    assert len(others) == 2
    assert first.files == (("data", 7, hashlib.sha256(b"metrics").hexdigest()),)
    assert (first.made, first.seconds, first.commit) == ("2026-01-02T03:04:05+00:00", 1.5, "0123456789")
    for name, place in first.upstream:
        assert traces[id_].steps[place].artefact == name
    assert [step.upstream for step in others if step.artefact == "tasks[ten]"] == [()]


def test_a_lost_record_leaves_its_version(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tasks = made(store, "tasks[ten]", b"tasks")
    made(store, "metrics[one/t0.0]", b"metrics", tasks)
    for record in (tmp_path / "store" / "records" / "tasks").rglob("*.json"):
        record.unlink()
    for copy in (tmp_path / "store" / "tasks").rglob("lineage.json"):
        copy.unlink()
    metrics, lost = steps(Store(tmp_path / "store"), Artefact("metrics", "one/t0.0"), "")
    assert lost == Step("tasks[ten]", tasks.data_version)
    assert metrics.upstream == (("tasks[ten]", 1),)


def test_of_many_rows_only_the_first_are_traced(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    records = [made(store, f"metrics[e{number}/t0.0]", b"%d" % number) for number in range(MOST_TRACES + 2)]
    leaders = [entry(f"{record.artefact}@{record.data_version[:16]}") for record in records]
    assert len(traces_of(store, leaders)) == MOST_TRACES
