"""The page in a real browser: sorted, filtered by dataset and read on a phone, without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.report.contents import Contents
from arc_pipeline.report.leaderboard import Entry, Origin
from arc_pipeline.report.lineage_graph import Asset, Partition
from arc_pipeline.report.page import render
from arc_pipeline.report.tables import Cell
from arc_pipeline.report.traces import Step, Trace
from arc_pipeline.store.environment import environment

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


TRACE = "metrics[a/t0.0]@0123456789abcdef"
STEPS = (
    Step("metrics[a/t0.0]", "0123456789abcdef", "2026-01-02T03:04:05", 2.0, "abc", (), (("tasks[ten]", 1),)),
    Step("tasks[ten]", "fedc", "2026-01-01T03:04:05", 1.0, "abc", (("tasks.parquet", 9, "f00d" * 16),)),
)


def entry(name: str, dataset: str, vote_2: float, parameters: int | None) -> Entry:
    cells = (Cell(f"{vote_2}", "[0, 99]", trace=TRACE if name == "a" else ""), Cell("1.0", "[0, 2]"))
    return Entry(name, dataset, cells, "unseen", 5, Origin(parameters, 60.0, "2026-01-01", "abc"))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """Three experiments on two datasets; fails if the page reports an error."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed here: apt-get install chromium")
    leaders = (entry("a", "ten", 90.0, 9_000), entry("b", "ten", 50.0, 10_000), entry("<i>c", "two", 5.0, None))
    assets = [
        Asset("tasks", "The tasks.", "tasks", (), (Partition("ten", "fresh"),)),
        Asset("metrics", "The metrics.", "results", ("tasks",), (Partition("a", "fresh"),)),
    ]
    html = render(
        Contents({}, [], {}, {}, leaders=leaders, traces={TRACE: Trace("a", STEPS)}), assets, environment(), "today"
    )
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 390, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        yield page
        opened.close()
    assert errors == []


def names(page: Any) -> list[str]:
    """The experiments that are seen, from the top."""
    found = page.locator("#leaderboard tbody tr")
    return [row.locator("th").inner_text() for row in found.all() if row.is_visible()]


def test_the_leaderboard_is_sorted_and_filtered_by_keyboard_and_fits_a_phone(page: Any) -> None:
    assert names(page) == ["a", "b", "<i>c"]
    heading = page.locator("#leaderboard").get_by_role("button", name="parameters")
    heading.focus()
    page.keyboard.press("Enter")
    assert names(page) == ["b", "a", "<i>c"]
    page.keyboard.press("Enter")
    assert names(page) == ["a", "b", "<i>c"]
    page.get_by_label("dataset").select_option("two")
    assert names(page) == ["<i>c"]
    page.get_by_label("dataset").select_option("all")
    assert len(names(page)) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_number_leads_down_to_the_bytes(page: Any) -> None:
    step = page.get_by_text("tasks.parquet, 9 bytes")
    assert not step.is_visible()
    page.locator("#leaderboard").get_by_role("link", name="90.0").click()
    assert step.is_visible()
    page.get_by_role("link", name="tasks[ten]").click()
    assert page.locator("tr:target").locator("th").inner_text() == "tasks[ten]"
    assert page.locator("tr:target code").last.get_attribute("title") == "f00d" * 16
