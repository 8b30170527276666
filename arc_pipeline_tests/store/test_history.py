"""Whatever happens to a store, each version goes on saying what it said when it was the current one."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.pruning import remove, versions
from arc_pipeline.store.store import Store
from arc_pipeline.store.trace import lineage_chain

# a small graph: each artefact with what it is made from
GRAPH = {
    "tasks[a]": (),
    "training_config[one]": (),
    "checkpoint[one]": ("tasks[a]", "training_config[one]"),
    "predictions[one/t0.0]": ("checkpoint[one]", "tasks[a]"),
    "metrics[one/t0.0]": ("predictions[one/t0.0]",),
}
ROOTS = [name for name, upstream in GRAPH.items() if not upstream]
actions = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(ROOTS), st.integers(0, 2)),
    st.tuples(st.just("code"), st.sampled_from(list(GRAPH)), st.integers(0, 2)),
    st.tuples(st.just("accept"), st.sampled_from(list(GRAPH)), st.just(0)),
    st.tuples(st.just("delete"), st.sampled_from(list(GRAPH)), st.just(0)),
    st.tuples(st.just("unlink"), st.sampled_from(list(GRAPH)), st.just(0)),
    st.tuples(st.just("prune"), st.just(""), st.just(0)),
)


class Project:
    """Makes the graph from values of its roots; the content of an artefact is a function of its upstream's."""

    def __init__(self, root: Path) -> None:
        self.root, self.values, self.code, self.runs = root, dict.fromkeys(ROOTS, 0), dict.fromkeys(GRAPH, 0), 0

    @property
    def store(self) -> Store:
        """As another process has it."""
        return Store(self.root)

    def refresh(self) -> None:
        """Makes what has another code, other upstream, or no usable version."""
        for name, upstream in GRAPH.items():
            store, artefact = self.store, Artefact.parse(name)
            records = {each: store.lineage(Artefact.parse(each)) for each in upstream}
            text = name + "".join(record.data_version for record in records.values() if record)
            version = f"{hash_of(text + str(self.values.get(name, '')))}"
            used = {each: record.data_version for each, record in records.items() if record}
            record = store.lineage(artefact)
            if record and (record.upstream, record.code_version, record.data_version) == (used, self.of(name), version):
                continue
            self.runs += 1
            with store.writing(artefact) as directory:
                (directory / "data").write_text(version)
                ids = {each: record.id for each, record in records.items() if record}
                about = {"upstream": used, "upstream_records": ids, "run_id": f"run {self.runs}"}
                store.commit(
                    directory, Lineage(artefact=name, data_version=version, code_version=self.of(name), **about)
                )

    def of(self, name: str) -> str:
        """The code version of an artefact."""
        return f"code {self.code[name]}"

    def do(self, action: str, name: str, value: int) -> None:
        """One thing that a person or a disk does to it."""
        artefact, store = Artefact.parse(name), self.store
        if action == "edit":
            self.values[name] = value
        elif action == "code":
            self.code[name] = value
        elif action == "accept" and (record := store.lineage(artefact)):
            store.append(record.model_copy(update={"accepted": [{"reason": "harmless"}]}))
        elif action == "delete" and (record := store.record(artefact)):
            shutil.rmtree(store.content(record), ignore_errors=True)
        elif action == "unlink":
            (store.place(artefact) / "current").unlink(missing_ok=True)
        elif action == "prune":
            remove(each for each in versions(store) if not each.used_by)


def hash_of(text: str) -> str:
    from arc_pipeline.store.artefact import hash_json

    return hash_json(text)


def said(store: Store, artefact: str, version: str = "") -> list[dict[str, Any]]:
    """What a trace says, but for what is the case now: which version is current, which files are kept."""
    chain = lineage_chain(store, Artefact.parse(artefact), version)
    return [{name: value for name, value in entry.items() if name not in {"current", "kept"}} for entry in chain]


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=12))
def test_every_version_says_what_it_said_when_it_was_current(history: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        project, snapshots = Project(Path(directory)), dict[tuple[str, str], Any]()
        written: dict[Path, bytes] = {}
        for action in [None, *history]:
            if action:
                project.do(*action)
            project.refresh()
            for name in GRAPH:
                record = project.store.record(Artefact.parse(name))
                assert record is not None
                snapshots.setdefault((name, record.id), said(project.store, name))
            assert all(path.read_bytes() == content for path, content in written.items())
            written |= {path: path.read_bytes() for path in (project.root / "records").rglob("*.json")}
        for (name, id_), snapshot in snapshots.items():
            assert said(project.store, name, id_) == snapshot
