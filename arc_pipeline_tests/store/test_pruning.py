"""Pruning on real directories: nothing that a current artefact uses is ever named unused."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.pruning import IN_PROGRESS, IS_CURRENT, MAY_RESUME, remove, versions
from arc_pipeline.store.store import Store

DECODINGS = ("greedy", "t0.5")
HASHES = [character * 64 for character in "abc"]
EXPERIMENTS = ("one", "two")


def commit(store: Store, artefact: str, data_version: str, upstream: dict[str, str], content: str = "") -> Path:
    """A version with one file."""
    with store.writing(Artefact.parse(artefact)) as directory:
        (directory / "weights").write_text(content or data_version)
        about = {"data_version": data_version, "code_version": "1", "created_at": "2026-01-01T00:00:00+00:00"}
        record = Lineage(artefact=artefact, upstream=upstream, **about)
        return store.content(store.commit(directory, record))


def lose_current(store: Store, experiment: str) -> None:
    """Nothing says any more which version of a checkpoint is the current one."""
    shutil.rmtree(store.root / "records" / "checkpoint" / experiment)
    (store.root / "checkpoint" / experiment / "current").unlink()


def unused(store: Store, *in_progress: str) -> set[Path]:
    """The paths that may be removed."""
    return {each.path for each in versions(store, in_progress) if not each.used_by}


def test_the_current_version_and_one_that_predictions_name_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    paths = [commit(store, "checkpoint[one]", each, {}) for each in HASHES]
    commit(store, "predictions[one/greedy]", "p" * 64, {"checkpoint[one]": HASHES[0]})
    found = {each.path: each for each in versions(store)}
    assert found[paths[0]].used_by == ("predictions[one/greedy]",)
    assert found[paths[2]].used_by == (IS_CURRENT,)
    assert unused(store) == {paths[1]}
    assert found[paths[1]].n_bytes == sum(path.stat().st_size for path in paths[1].iterdir())


def test_what_a_table_uses_by_way_of_versions_that_are_no_longer_current_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = commit(store, "checkpoint[one]", HASHES[0], {})
    commit(store, "checkpoint[one]", HASHES[1], {})
    commit(store, "experiment_summary[one]", "s" * 64, {"checkpoint[one]": HASHES[0]})
    commit(store, "results_table", "r" * 64, {"experiment_summary[one]": "s" * 64})
    commit(store, "experiment_summary[one]", "t" * 64, {"checkpoint[one]": HASHES[1]})
    assert unused(store) == set()
    commit(store, "results_table", "q" * 64, {"experiment_summary[one]": "t" * 64})
    assert unused(store) == {path}


def test_equal_data_versions_with_other_files_all_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = commit(store, "checkpoint[one]", HASHES[0], {}, "log")
    second = commit(store, "checkpoint[one]", HASHES[0], {}, "another log")
    assert second.name == f"{first.name}-2"
    commit(store, "initial_weights[two]", "i" * 64, {"checkpoint[one]": HASHES[0]})
    commit(store, "checkpoint[one]", HASHES[1], {})
    assert unused(store) == set()


def test_of_unfinished_trainings_the_newest_stays_until_there_is_a_newer_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = tmp_path / "training/one/old", tmp_path / "training/one/new"
    for moment, path in ((1000, old), (2000, new)):
        (path / "checkpoint-50").mkdir(parents=True)
        (path / "job.json").write_text('{"start": "tiny"}')
        os.utime(path / "job.json", (moment, moment))
    assert unused(store) == {old}
    assert unused(store, "one") == set()
    made = [each for each in versions(store) if each.path == new]
    assert [(each.asset, each.experiment, each.used_by) for each in made] == [("training", "one", (MAY_RESUME,))]
    commit(store, "checkpoint[one]", HASHES[0], {})
    assert unused(store) == {old, new}
    remove(each for each in versions(store) if not each.used_by)
    assert not list((tmp_path / "training/one").iterdir())


def test_runs_in_progress_unfinished_trainings_and_a_lost_current_link_keep_versions(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = commit(store, "checkpoint[one]", HASHES[0], {})
    commit(store, "checkpoint[one]", HASHES[1], {})
    assert unused(store) == {path}
    assert unused(store, "one") == set()
    assert IN_PROGRESS in versions(store, ["one"])[0].used_by
    job = tmp_path / "training" / "two" / "0123" / "job.json"
    job.parent.mkdir(parents=True)
    job.write_text(json.dumps({"start": str(path)}))
    assert unused(store) == set()
    job.write_text('{"start": "tiny"}')
    assert unused(store) == {path}
    lose_current(store, "one")
    assert unused(store) == set()


def test_completions_stay_with_the_current_version_and_with_runs_in_progress(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept = [tmp_path / "completions" / "one" / each[:16] for each in HASHES]
    for path in kept:
        (path / "0123").mkdir(parents=True)
        (path / "0123" / "shard.parquet").write_bytes(b"12345")
    commit(store, "checkpoint[one]", HASHES[0], {})
    lose_current(store, "one")
    assert unused(store) == set(kept[1:])
    commit(store, "checkpoint[one]", HASHES[1], {})
    assert unused(store) >= {kept[0], kept[2]}
    assert unused(store, "one") == set()
    gone = remove(each for each in versions(store) if not each.used_by)
    assert [each.n_bytes for each in gone if each.asset == "completions"] == [5, 5]
    assert [path.is_dir() for path in kept] == [False, True, False]


def test_a_record_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    store = Store(tmp_path)
    commit(store, "checkpoint[one]", HASHES[0], {})
    (commit(store, "predictions[one/greedy]", "p" * 64, {}) / "lineage.json").unlink()
    (record,) = (tmp_path / "records" / "predictions").rglob("*.json")
    record.chmod(0o644)
    record.write_text("{")
    with pytest.raises(ArcPipelineError, match=f"{record.name} .*nothing is known to be unused"):
        versions(Store(tmp_path))


def test_a_store_reached_by_links_has_the_same_users(tmp_path: Path) -> None:
    real = Store(tmp_path / "real")
    commit(real, "checkpoint[one]", HASHES[0], {})
    commit(real, "checkpoint[one]", HASHES[1], {})
    commit(real, "predictions[one/greedy]", "p" * 64, {"checkpoint[one]": HASHES[0]})
    (tmp_path / "other disk").mkdir()
    for asset in ("predictions", "checkpoint"):
        shutil.move(real.root / asset, tmp_path / "other disk" / asset)
        (real.root / asset).symlink_to(tmp_path / "other disk" / asset)
    (tmp_path / "link").symlink_to(real.root)
    assert unused(Store(tmp_path / "link")) == set()


def test_removal_takes_the_whole_directory_and_refuses_what_is_used(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = commit(store, "checkpoint[one]", HASHES[0], {})
    kept = commit(store, "checkpoint[one]", HASHES[1], {})
    gone = remove(each for each in versions(store) if not each.used_by)
    assert [each.path for each in gone] == [path]
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([kept.name, "current"])
    with pytest.raises(ArcPipelineError, match="it stays"):
        remove(versions(store))


checkpoints = st.tuples(
    st.just("checkpoint"), st.sampled_from(EXPERIMENTS), st.sampled_from(HASHES), st.text("xy", max_size=2)
)
tables = st.tuples(
    st.sampled_from(["predictions", "experiment_summary", "initial_weights"]),
    st.sampled_from([f"{name}/{decoding}" for name in EXPERIMENTS for decoding in DECODINGS] + list(EXPERIMENTS)),
    st.sampled_from([letter * 64 for letter in "uvw"]),
    st.sampled_from(EXPERIMENTS),
)


@settings(max_examples=60)
@given(st.lists(st.one_of(checkpoints, tables), max_size=25))
def test_no_history_makes_pruning_remove_what_a_current_artefact_uses(history: list[tuple[str, str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store, used = Store(Path(directory)), dict[str, Path]()
        for asset, partition, version, extra in history:
            name = f"{asset}[{partition}]"
            if asset == "checkpoint":
                commit(store, name, version, {}, extra)
            elif store.lineage(start := Artefact("checkpoint", extra)):
                used[name] = store.current(start)  # the very directory that this artefact was made from
                commit(store, name, version, {str(start): store.lineage(start).data_version})
        remove(each for each in versions(store) if not each.used_by)
        assert all(path.is_dir() for path in used.values())
        assert all(
            (store.root / "checkpoint" / each / "current").exists()
            for each in EXPERIMENTS
            if (store.root / "checkpoint" / each).exists()
        )
        assert not [each for each in versions(store) if not each.used_by]
