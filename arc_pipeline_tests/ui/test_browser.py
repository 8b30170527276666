"""A person at the UI, in a real browser: clicks a training into being, looks at its curve, changes it, cancels one."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
expect = sync_api.expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SAVE_STEPS = 20
EXPERIMENTS = {
    "small": {"max_steps": 4, "logging_steps": 1},
    "long": {"max_steps": 999, "batch_size": 8, "save_steps": SAVE_STEPS, "logging_steps": 1},
}
INPUTS = ("augmented_examples", "training_config", "initial_weights")
LOGS = """
query ($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events { ... on MessageEvent { message } } } }
}
"""
MILLISECONDS = 180_000
pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def made(new_data: Callable[..., Path], command_line: Callable[..., Any], start_ui: Callable[[Path], Any]) -> Any:
    """A UI on two experiments of which everything before their trainings has been made."""
    data = new_data(**EXPERIMENTS)
    done = command_line(data, "refresh", "--yes", *(word for name in INPUTS for word in ("--select", name)))
    assert done.returncode == 0, done.stderr
    return start_ui(data)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of a browser that nobody sees."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        yield page
        opened.close()


def open_partition(page: Any, ui: Any, asset: str, partition: str) -> None:
    """The page of one partition of an asset."""
    page.goto(f"{ui.url}/assets/{asset}?view=partitions&partition={partition}")


def materialize(page: Any, ui: Any, asset: str, partition: str) -> None:
    """Clicks until the page of the run is there that makes a partition."""
    open_partition(page, ui, asset, partition)
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))


def ended(page: Any, how: str) -> None:
    """Waits until the page of a run says so."""
    expect(page.get_by_text(how, exact=True).first).to_be_visible()


def steps(ui: Any, run: str) -> list[int]:
    """The steps that the log of a run tells of."""
    events = ui.graphql(LOGS, run=run)["logsForRun"]["events"]
    return [int(found[1]) for each in events if (found := re.search(r"step (\d+)/999, loss", each.get("message", "")))]


def test_a_training_by_click_its_curve_and_what_a_change_of_its_file_does(made: Any, page: Any) -> None:
    materialize(page, made, "checkpoint", "small")
    ended(page, "Success")

    open_partition(page, made, "checkpoint", "small")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 300

    file = made.data / "experiments" / "small.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"learning_rate": 0.001}))
    materialize(page, made, "training_config", "small")
    ended(page, "Success")
    open_partition(page, made, "checkpoint", "small")
    expect(page.get_by_text(re.compile("Unsynced"))).to_be_visible()

    page.get_by_role("tab", name="Lineage").click()
    for asset in ("augmented_examples", "training_config", "initial_weights", "predictions"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()


def test_a_training_cancelled_by_click_is_gone_and_goes_on_when_made_again(
    made: Any, page: Any, eventually: Callable[..., Any], processes_of: Callable[[Path], set[int]]
) -> None:
    work = made.data / "store" / "training" / "long"
    materialize(page, made, "checkpoint", "long")
    eventually(lambda: processes_of(work) and list(work.glob("*/checkpoint-*/manifest.json")), 180)

    page.get_by_role("button", name="Terminate").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate 1 run").click()
    eventually(lambda: not processes_of(work), 60)
    page.get_by_role("button", name="Done").click()
    ended(page, "Canceled")
    assert list(work.glob("*/checkpoint-*/manifest.json"))

    materialize(page, made, "checkpoint", "long")
    expect(page.get_by_text(re.compile(r"step \d+/999, loss")).first).to_be_visible()
    assert min(steps(made, page.url.rpartition("/")[2])) > SAVE_STEPS


def test_a_new_file_appears_without_a_reload(made: Any, page: Any) -> None:
    page.goto(f"{made.url}/assets/checkpoint?view=partitions")
    expect(page.get_by_text("small", exact=True).first).to_be_visible()
    text = (made.data / "experiments" / "small.yaml").read_text()
    (made.data / "experiments" / "added.yaml").write_text(text)
    expect(page.get_by_text("added", exact=True).first).to_be_visible()


def test_two_clicks_from_a_data_version_to_what_it_makes_stale(
    made: Any, page: Any, eventually: Callable[..., Any]
) -> None:
    tasks = made.data / "raw" / "mirror.json"
    tasks.write_text(tasks.read_text().replace("9", "8").replace("6", "7"))
    verdicts = '{ assetNodeOrError(assetKey: {path: ["arc_source"]}) { ... on AssetNode { assetChecksOrError {'
    verdicts += " ... on AssetChecks { checks { executionForLatestMaterialization { status } } } } } } }"
    eventually(lambda: "FAILED" in str(made.graphql(verdicts)), 180)

    page.goto(f"{made.url}/assets/arc_source")
    page.get_by_role("tab", name="Partitions").click()
    page.get_by_text("mirror", exact=True).first.click()
    expect(page.get_by_text("makes stale", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("mirror.json")).first).to_be_visible()
    for made_from_it in ("checkpoint", "augmented_examples"):
        expect(page.get_by_role("cell", name=made_from_it, exact=True).first).to_be_visible()
