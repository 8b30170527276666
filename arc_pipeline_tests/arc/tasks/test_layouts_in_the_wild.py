"""The layouts in which people have data: competitions, archives, nested folders, rows; what is no data is named."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.errors import FaultyInput

PAIR = {"input": [[2, 0], [0, 1]], "output": [[0, 2], [1, 0]]}
OTHER = {"input": [[3, 0], [0, 1]], "output": [[0, 3], [1, 0]]}
TALL = {"input": [[0]] * 31, "output": [[0]] * 31}
TASK = {"train": [PAIR, OTHER], "test": [PAIR]}
QUESTION = {"train": [PAIR, OTHER], "test": [{"input": [[7, 0], [0, 1]]}]}
ROW = {"source": "def main(g): return g", "seeds": ["s"], "examples": [[[[1, 0]], [[0, 1]]], [[[2, 0]], [[0, 2]]]]}
SUBMISSION = {"x": [{"attempt_1": [[0, 0]], "attempt_2": [[0, 0]]}]}


def read(data: Path, files: Mapping[str, object], spec: str = "{}") -> Catalogue:
    """A data directory whose `raw/` has these files: bytes and text as they are, anything else as JSON."""
    data.joinpath("datasets.yaml").write_text(spec)
    for name, content in files.items():
        path = data / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Catalogue.read(data)


def shapes(catalogue: Catalogue) -> dict[str, dict[str, tuple[int, int]]]:
    """By dataset and task id how many train and test pairs there are."""
    return {
        name: {task.task_id: (len(task.train), len(task.test)) for task in catalogue.load(name)}
        for name in catalogue.names()
    }


def ignored(catalogue: Catalogue) -> list[str]:
    return [str(fault) for fault in catalogue.ignored()]


def zipped(files: Mapping[str, object]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, document in files.items():
            archive.writestr(name, json.dumps(document))
    return content.getvalue()


def parquet(rows: list[dict[str, object]]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


KAGGLE = {
    "arc-agi_training_challenges.json": {"t": QUESTION},
    "arc-agi_training_solutions.json": {"t": [[[0, 7], [1, 0]]]},
    "arc-agi_test_challenges.json": {"x": QUESTION},
    "sample_submission.json": SUBMISSION,
}


@pytest.mark.parametrize("folder", ["", "arc-prize/"])
def test_a_competition_with_its_sample_submission(tmp_path: Path, folder: str) -> None:
    catalogue = read(tmp_path, {folder + name: content for name, content in KAGGLE.items()})
    before = folder.replace("/", "-")
    assert shapes(catalogue) == {f"{before}arc-agi_test": {"x": (2, 1)}, f"{before}arc-agi_training": {"t": (2, 1)}}
    [hidden] = catalogue.load(f"{before}arc-agi_test")
    assert hidden.test == (Pair(((7, 0), (0, 1)), ()),)
    [text] = ignored(catalogue)
    assert text.startswith(f"raw/{folder}sample_submission.json: a submission, which has answers and no tasks")


def test_a_competition_as_it_is_downloaded(tmp_path: Path) -> None:
    catalogue = read(tmp_path, {"arc-prize.zip": zipped(KAGGLE)})
    assert catalogue.names() == ["arc-prize-arc-agi_test", "arc-prize-arc-agi_training"]
    assert list(catalogue.source_files("arc-prize-arc-agi_test")) == ["raw/arc-prize.zip"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"X/h.json": QUESTION}, {"h": (2, 1)}),
        ({"X.json": {"h": QUESTION}}, {"h": (2, 1)}),
        ({"X.json": {"h": {**QUESTION, "test": [{"input": [[1]], "output": None}]}}}, {"h": (2, 1)}),
        (
            {"X/tasks/a.json": [PAIR], "X/tasks/b.json": [PAIR], "X/metadata.json": {"a": {"n": 2}}},
            {"a": (1, 0), "b": (1, 0)},
        ),
        ({"X.zip": zipped({"re/tasks/a.json": [PAIR], "re/metadata.json": {"a": {"n": 1}}})}, {"a": (1, 0)}),
        ({"X/Above/Above1.json": TASK, "X/Below/Below1.json": TASK}, {"Above1": (2, 1), "Below1": (2, 1)}),
        (
            {"X/training/a.json": TASK, "X/evaluation/a.json": TASK, "X/training/b.json": TASK},
            {"training/a": (2, 1), "evaluation/a": (2, 1), "b": (2, 1)},
        ),
        (
            {"X.jsonl": f"{json.dumps({'task_id': 'l', **TASK})}\n\n{json.dumps({'id': 7, **TASK})}\n"},
            {"l": (2, 1), "7": (2, 1)},
        ),
        ({"X.jsonl": "\ufeff" + json.dumps({"id": "l", **TASK}) + "\r\n"}, {"l": (2, 1)}),
        ({"X.jsonl.gz": gzip.compress(json.dumps(ROW).encode())}, {"X-000001": (2, 0)}),
        ({"X.json": [ROW, ROW]}, {"X-000001": (2, 0), "X-000002": (2, 0)}),
        ({"X.json": [{"id": "l", **TASK}]}, {"l": (2, 1)}),
        ({"X.json": {"version": 2, "tasks": {"t": TASK}}}, {"t": (2, 1)}),
        ({"X.json": {"tasks": [{"id": "t", **TASK}]}}, {"t": (2, 1)}),
        ({"X.json": {"t": {**TASK, "name": "my rule"}, "_comment": "made by hand"}}, {"t": (2, 1)}),
        ({"X.parquet": parquet([{"id": "p", **TASK}])}, {"p": (2, 1)}),
        ({"X/data/train-0.parquet": parquet([ROW])}, {"train-0-000001": (2, 0)}),
        (
            {"X.parquet": parquet([{"id": "p", **{key: json.dumps(value) for key, value in TASK.items()}}])},
            {"p": (2, 1)},
        ),
        ({"X/a.json": TASK, "X/._a.json": "\0", "__MACOSX/X/._a.json": "\0"}, {"a": (2, 1)}),
        ({"X.json": json.dumps({"t": TASK}).encode("utf-16")}, {"t": (2, 1)}),
    ],
)
def test_layouts(tmp_path: Path, files: dict[str, object], expected: dict[str, tuple[int, int]]) -> None:
    assert shapes(read(tmp_path, files)) == {"X": expected}


def test_what_is_not_read_is_named_with_the_reason(tmp_path: Path) -> None:
    files = {
        "notes.csv": "1",
        "X/a.json": TASK,
        "X/a.png": "",
        "X/metadata.json": {"a": {"n": 1}},
        "README.md": "read me",
    }
    texts = ignored(read(tmp_path, files))
    assert [text.partition(", which")[0] for text in texts] == [
        "raw/X/a.png: not a format of tasks",
        "raw/X/metadata.json: has no grid in it",
        "raw/notes.csv: not a format of tasks",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"X.jsonl": json.dumps({"id": "l", **TASK}) + "\n{\n"}, "raw/X.jsonl row 2: line 1, column 2: broken JSON"),
        ({"X.jsonl.gz": b"no archive"}, "raw/X.jsonl.gz: the file cannot be read"),
        ({"X.parquet": b"no table"}, "raw/X.parquet: broken Parquet"),
        ({"X.zip": b"no archive"}, "raw/X.zip: the archive cannot be read"),
        ({"X.json": {"": TASK}}, "a task id must have characters"),
        (
            {"X/a.json": TASK, "X/b.json": QUESTION},
            "task b, test pair 0: the output is missing; give it to all test pairs",
        ),
    ],
)
def test_faults(tmp_path: Path, files: dict[str, object], expected: str) -> None:
    with pytest.raises(FaultyInput) as caught:
        read(tmp_path, files).load("X")
    assert expected in str(caught.value)


def test_faulty_pairs_are_left_out_on_purpose_only_and_named(tmp_path: Path) -> None:
    files = {"X/a.json": [PAIR, TALL, OTHER], "X/b.json": [TALL], "X/c.json": [PAIR]}
    refusing = read(tmp_path, files)
    with pytest.raises(FaultyInput, match="at most 30 rows"):
        refusing.load("X")
    catalogue = read(tmp_path, {}, "X: {on_faulty_pair: leave-out}")
    loaded = catalogue.read_dataset("X")
    assert {task.task_id: len(task.pairs) for task in loaded.tasks} == {"a": 2, "c": 1}
    assert {fault.place for fault in loaded.left_out} == {
        *("task a, train pair 1, input", "task a, train pair 1, output", "task b"),
        *("task b, train pair 0, input", "task b, train pair 0, output"),
    }
    assert catalogue.source_hash("X") != refusing.source_hash("X")


def test_a_faulty_test_pair_is_left_out_with_its_solution(tmp_path: Path) -> None:
    question = {"train": [PAIR], "test": [{"input": [[1]]}, {"input": [[99]]}, {"input": [[3]]}]}
    files = {"X_challenges.json": {"a": question}, "X_solutions.json": {"a": [[[11]], [[2]], [[4]]]}}
    [task] = read(tmp_path, files, "X: {on_faulty_pair: leave-out}").load("X")
    assert task.test == (Pair(((3,),), ((4,),)),)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("Y: {on_faulty_pair: leave-out}", "datasets.yaml: Y: there is no data/raw/Y, of which on_faulty_pair is said"),
        ("X: {on_faulty_pair: maybe}", "X.on_faulty_pair: Input should be 'refuse' or 'leave-out'"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, spec: str, expected: str) -> None:
    with pytest.raises(FaultyInput) as caught:
        read(tmp_path, {"X.json": TASK}, spec).load(spec[0])
    assert expected in str(caught.value)


def test_equal_tasks_are_on_one_side_of_a_split(tmp_path: Path) -> None:
    turned = {
        "train": [{"input": [[9, 0], [0, 8]], "output": [[8, 0], [0, 9]]}],
        "test": [{"input": [[5, 5]], "output": [[1]]}],
    }
    disguised = {
        "train": [{"input": [[0, 3], [4, 0]], "output": [[0, 4], [3, 0]]}],
        "test": [{"input": [[1], [1]], "output": [[7]]}],
    }
    tasks = {
        f"t{number}": {"train": [{"input": [[0] * number], "output": [[1]]}], "test": []} for number in range(1, 7)
    }
    for seed in range(12):
        spec = "\n".join(
            f"{part}: {{of: X, random_split: {{seed: {seed}, part: {part}, validation: 3}}}}"
            for part in ("train", "validation")
        )
        catalogue = read(tmp_path, {"X.json": {**tasks, "a": turned, "z": disguised}}, spec)
        parts = {part: {task.task_id for task in catalogue.load(part)} for part in ("train", "validation")}
        assert len(parts["validation"]) == 3
        assert ({"a", "z"} <= parts["train"]) != ({"a", "z"} <= parts["validation"])


def test_a_split_of_arc_agi_1_keeps_its_two_equal_tasks_together() -> None:
    from arc_pipeline.arc.tasks.identity import equal_tasks, exact_fingerprint

    catalogue = Catalogue.read(Path(__file__).parents[3] / "data")
    equal = equal_tasks(catalogue.load("arc-agi-1"))
    assert set(equal) == {"070dd51e", "40853293"}
    assert len(set(equal.values())) == 1
    forms = {exact_fingerprint(task) for task in catalogue.load("arc-agi-1") if task.task_id in equal}
    assert len(forms) == 1
    assert not {"070dd51e", "40853293"} & {task.task_id for task in catalogue.load("val_rs7")}
