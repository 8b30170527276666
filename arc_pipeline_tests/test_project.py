"""Where a project is, and what a new one begins with."""

from pathlib import Path

import pytest

from arc_pipeline.project import Project

ROOT = Path(__file__).parents[1]


def test_it_is_where_the_environment_says_or_in_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path))
    assert Project.current() == Project(tmp_path)
    monkeypatch.delenv("ARC_PIPELINE_DATA")
    assert Project.current() == Project(ROOT / "data")


def test_a_new_one_gets_the_default_files_and_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text("{}")
    (tmp_path / "experiments" / "demo-legacy-swap.yaml").write_text("# edited")
    project = Project(tmp_path).add_defaults()
    shipped = {path.stem for path in (ROOT / "data" / "experiments").rglob("*.yaml")}
    assert {*project.experiments().names()} == shipped | {"mine"}
    assert (tmp_path / "experiments" / "demo-legacy-swap.yaml").read_text() == "# edited"
    (tmp_path / "experiments" / "demo-fixed.yaml").unlink()
    assert "demo-fixed" not in project.add_defaults().experiments().names()
    assert (tmp_path / "raw").is_dir()
