"""The report beside Dagster's pages: as things are now, and a sentence where it cannot be written."""

from pathlib import Path
from typing import Any

from arc_pipeline.ui.live_report import LiveReport, ReportFailed, write_report


def test_it_is_written_again_when_something_changed(ui: Any) -> None:
    status, page = ui.ask("GET", "/report")
    assert status == 200
    assert "later" not in page
    (ui.data / "experiments" / "later.yaml").write_text((ui.data / "experiments" / "small.yaml").read_text())
    try:
        status, page = ui.ask("GET", "/report")
        assert status == 200
        assert "later" in page
    finally:
        (ui.data / "experiments" / "later.yaml").unlink()


def test_what_it_shows_nothing_of_is_no_change(tmp_path: Path) -> None:
    for name in ("dagster_home", "experiments", "store/training"):
        (tmp_path / name).mkdir(parents=True)
    report = LiveReport(tmp_path)
    before = report.seen()
    (tmp_path / "dagster_home" / "a.db").write_text("a run began")
    (tmp_path / "store" / "training" / "log").write_text("step 1")
    assert report.seen() == before
    (tmp_path / "experiments" / "a.yaml").write_text("model: tiny")
    assert report.seen() != before


def test_why_it_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("a: [")
    try:
        write_report(tmp_path)
    except ReportFailed as error:
        said = str(error)
    assert "datasets.yaml" in said
    assert "Traceback" not in said
