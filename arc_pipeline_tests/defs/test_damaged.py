"""What is not what was written is never a number: it counts as missing, with the cause, and is made again as it was."""

import os
import shutil
from pathlib import Path

import pytest

from arc_pipeline.errors import DamagedArtefact
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

OF_STRAIGHT = (
    *("tasks[mirror]", "augmented_examples[straight]", "evaluation_tasks[straight]", "checkpoint[straight]"),
    *(
        "predictions[straight/t0.0]",
        "attempts[straight/t0.0]",
        "metrics[straight/t1.0]",
        "experiment_summary[straight]",
    ),
    "results_table",
)


def flip(path: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def versions(store: Store) -> dict[str, str]:
    """The current data version of every artefact."""
    return {str(artefact): record.data_version for artefact in store.artefacts() if (record := store.record(artefact))}


def files_of(store: Store, name: str) -> list[Path]:
    record = store.record(Artefact.parse(name))
    assert record is not None
    return [store.content(record) / file for file in record.files or ()]


def test_a_flipped_bit_in_any_file_is_named_and_mended(two) -> None:
    store = Store(two.data / "store")
    before, session = versions(store), two.load()
    assert session.plan() == []
    for name in OF_STRAIGHT:
        for path in files_of(store, name):
            written = path.read_bytes()
            flip(path)
            causes = {str(status.node.artefact): status.causes for status in session.plan()}
            assert path.name in causes[name][0]
            assert causes[name][0].startswith("cannot be used: store/")
            with pytest.raises(DamagedArtefact, match=path.name):
                Store(two.data / "store").current(Artefact.parse(name))
            path.write_bytes(written)
    assert session.plan() == []
    for name in OF_STRAIGHT:
        flip(files_of(store, name)[0])
    assert not [outcome.failed for outcome in session.refresh([]) if outcome.failed]
    assert session.plan() == []
    assert versions(Store(two.data / "store")) == before


def test_what_is_made_from_damaged_bytes_is_refused_and_named(two) -> None:
    store = Store(two.data / "store")
    flip(files_of(store, "predictions[straight/t0.0]")[0])
    session = two.load()
    causes = {str(status.node.artefact): status.causes for status in session.plan()}
    assert causes["attempts[straight/t0.0]"] == ["predictions[straight/t0.0] is missing"]
    outcome = session.run(two.batch("t0.0|straight", "attempts"))
    assert "predictions[straight/t0.0] cannot be used: store/predictions/straight/t0.0/" in outcome.failed
    outcome = session.run(two.batch("t0.0|straight", "metrics"))
    assert "attempts[straight/t0.0] is stale: predictions" in outcome.failed or "is missing" in outcome.failed


def test_deleted_records_contents_and_links(two) -> None:
    store = Store(two.data / "store")
    before = versions(store)
    for record in (two.data / "store" / "records" / "metrics").rglob("*.json"):
        record.unlink()
    for link in (two.data / "store" / "attempts").rglob("current"):
        link.unlink()
    assert two.load().plan() == []
    for path in files_of(store, "results_table"):
        path.unlink()
    # a config has no files beside its record
    shutil.rmtree((two.data / "store" / "training_config" / "straight" / "current").resolve())
    (two.data / "store" / "tasks" / "mirror" / "current" / "tasks.parquet").write_bytes(b"")
    assert {"results_table", "tasks[mirror]"} <= {str(status.node.artefact) for status in two.load().plan()}
    assert not [outcome.failed for outcome in two.load().refresh([]) if outcome.failed]
    assert versions(Store(two.data / "store")) == before


def test_a_changed_copy_is_no_record_where_the_record_is_lost(two) -> None:
    store = Store(two.data / "store")
    before = versions(store)
    copies = {
        name: two.data / "store" / name / "straight" / "current" / "lineage.json"
        for name in ("prediction_config", "augmented_examples")
    }
    for name, copy in copies.items():
        for record in (two.data / "store" / "records" / name / "straight").glob("*.json"):
            record.unlink()
        assert Store(two.data / "store").lineage(Artefact(name, "straight")).data_version == before[f"{name}[straight]"]
        written = copy.read_bytes()
        changed = written.replace(b'"created_at": "2', b'"created_at": "3')
        assert changed != written
        copy.write_bytes(changed)
    causes = {str(status.node.artefact): status.causes for status in two.load().plan()}
    for name in copies:
        assert causes[f"{name}[straight]"][0].endswith("lineage.json is no record, it was changed or cut short")
    assert not [outcome.failed for outcome in two.load().refresh([]) if outcome.failed]
    assert versions(Store(two.data / "store")) == before


def test_numbers_that_do_not_hold_any_more_are_marked_with_the_cause(two) -> None:
    session = two.load()
    record = session.store.record(Artefact("metrics", "straight/t0.0"))
    trace = f"metrics[straight/t0.0]@{record.data_version[:16]}"
    assert session.reasons([trace]) == {trace: []}
    two.write("straight", learning_rate=0.5)
    (cause,) = two.load().reasons([trace])[trace]
    assert cause.startswith("training_config[straight] is stale: straight changed: learning_rate: 0.0001 -> 0.5")
    other = "metrics[straight/t0.0]@0123"
    two.write("straight")
    assert two.load().reasons([other]) == {other: ["metrics[straight/t0.0] has a new version"]}
    os.unlink(two.data / "experiments" / "straight.yaml")
    assert two.load().reasons([trace]) == {trace: ["there is no file of straight any more"]}
