"""A new experiment is a copy, byte by byte, and never overwrites one."""

from pathlib import Path

import pytest

from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.new_experiment import copy_experiment

TEXT = "# why this exists\nmodel: tiny  # a comment\n"


def test_the_copy_keeps_comments(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    assert copy_experiment(tmp_path, "old", "fresh") == tmp_path / "fresh.yaml"
    assert (tmp_path / "fresh.yaml").read_text() == TEXT


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("old", "old", "is there already"),
        ("old", "../x", "only letters, digits"),
        ("old", ".x", "only letters, digits"),
        ("odl", "fresh", "did you mean 'old'"),
        ("../old", "fresh", "there is no experiment"),
    ],
)
def test_refusals(tmp_path: Path, source: str, name: str, message: str) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    with pytest.raises(ArcPipelineError, match=message):
        copy_experiment(tmp_path, source, name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.yaml"]


def test_a_copy_of_one_in_a_folder_lies_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "old.yaml").write_text(TEXT)
    assert copy_experiment(tmp_path, "old", "fresh") == tmp_path / "fresh.yaml"
    with pytest.raises(ArcPipelineError, match="is there already"):
        copy_experiment(tmp_path, "fresh", "old")
