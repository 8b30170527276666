"""The report: well-formed, self-contained, and fine with no, one and dozens of experiments."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arc_pipeline.arc.evaluation.metrics import METRICS, metric_names
from arc_pipeline.arc.evaluation.results import SHOWN_METRICS
from arc_pipeline.report.contents import Contents, Picture, read_contents
from arc_pipeline.report.leaderboard import Entry, Origin
from arc_pipeline.report.lineage_graph import Asset, Partition
from arc_pipeline.report.page import MOST_PARTITIONS, Work, render
from arc_pipeline.report.tables import Cell, Sheet
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.environment import environment
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import write_table

VOID = {"meta", "img", "br", "hr", "link", "input"}
SHEET = Sheet("ten, n = 10 tasks", ("experiment", "vote_2"), ((Cell("<one>"), Cell("75.0", "[50, 90]", True, "t@1")),))
CURVE = Picture(b"picture", "Metrics against steps")


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps what a page refers to, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script" or not attrs
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "img":
            assert dict(attrs)["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def assets(n_experiments: int, status: str = "fresh") -> list[Asset]:
    """Two assets, one with a partition for each experiment."""
    there = tuple(Partition(f"e{n}", status, ("its <code> changed",), "abc", "today") for n in range(n_experiments))
    root = Asset("tasks", "The tasks.", "tasks", (), (Partition("ten", "fresh"),))
    return [root, Asset("checkpoint", "The weights.", "training", ("tasks",), there)]


def contents(n_experiments: int) -> Contents:
    pictures = {f"e{n}": [CURVE] for n in range(n_experiments)}
    return Contents({"Models": [SHEET]} if pictures else {}, [CURVE] if n_experiments > 1 else [], pictures, pictures)


def rendered(n_experiments: int, status: str = "fresh") -> tuple[str, Page]:
    html = render(contents(n_experiments), assets(n_experiments, status), environment(), "2026-01-01 12:00 UTC")
    return html, Page(html)


@pytest.mark.parametrize("n_experiments", [0, 1, 60])
def test_a_page_is_well_formed_and_needs_nothing_beside_it(n_experiments: int) -> None:
    html, page = rendered(n_experiments)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'; img-src data:" in html
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_without_results_it_says_what_makes_some() -> None:
    _, page = rendered(0)
    assert "There are no results yet: arc-pipeline demo" in page.text
    assert "0 experiments with results" in page.text


def test_cells_are_escaped_and_marked() -> None:
    html, page = rendered(1)
    assert "<one>" not in html
    assert "<one>" in page.text
    assert '<td title="t@1"><strong>75.0*</strong> <small>[50, 90]</small></td>' in html


def test_what_is_stale_is_said_and_long_lists_are_cut() -> None:
    _, page = rendered(150, "stale")
    assert "150 artefacts are missing or stale" in page.text
    assert "its <code> changed" in page.text
    assert f"and {150 - MOST_PARTITIONS} more: arc-pipeline stale" in page.text
    assert "everything is up to date" in rendered(1)[1].text


def test_what_cannot_begin_is_said() -> None:
    html = render(contents(1), assets(1), environment(), "today", ["far cannot begin: no weights"])
    assert "far cannot begin: no weights" in Page(html).text


def made(store: Store, asset: str, partition: str, rows: list[dict[str, Any]], name: str = "") -> None:
    with store.writing(Artefact(asset, partition)) as directory:
        write_table(pa.Table.from_pylist(rows), directory, name or asset)
        record = {"artefact": str(Artefact(asset, partition)), "data_version": "a" * 64, "code_version": "1"}
        store.commit(directory, Lineage.model_validate(record | {"upstream": {}}))


def test_the_contents_are_what_the_store_has(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert read_contents(store, ["one"]) == Contents({}, [], {}, {})
    row = {"experiment": "one", "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "n": 2, "best": []}
    row |= dict.fromkeys(metric_names(METRICS), 0.5) | {"intervals": {name: [0.0, 1.0] for name in SHOWN_METRICS}}
    row |= {
        "planned": 4,
        "answered": 4,
        "decoded": 4,
        "tasks": 2,
        "test_pairs": 2,
        "trace": "t@1",
        "contamination": "",
        "max_steps": 3,
    }
    made(store, "results_table", "", [row])
    made(store, "prediction_curve", "one", [row])
    made(store, "checkpoint", "one", [{"step": 1, "loss": 1.0, "learning_rate": 0.1, "best": []}], "training_log")
    found = read_contents(store, ["one", "two"])
    assert [sheet.title for sheet in found.tables["Models"]] == [
        "ten, n = 2 tasks, 2 test pairs, 2 predictions each, temperature 0.0"
    ]
    assert [picture.caption for picture in found.experiments["one"]] == [
        "Loss and learning rate",
        "Metrics against the number of predictions, then against the seconds that these took",
    ]
    assert found.experiments.keys() == {"one"}
    assert not any(cell.stale for row in found.tables["Models"][0].rows for cell in row)
    stale = read_contents(store, ["one"], lambda traces: {"t@1"} & {*traces})
    assert [(each.experiment, each.badge, each.stale) for each in stale.leaders] == [("one", "unseen", True)]
    assert any(cell.stale for row in stale.tables["Models"][0].rows for cell in row)


def test_what_is_damaged_takes_nothing_else_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = {"experiment": "one", "dataset": "ten", "decoding": "t0.0", "trace": "t@1"}
    made(store, "results_table", "", [row])
    made(store, "checkpoint", "one", [{"step": 1, "loss": 1.0, "learning_rate": 0.1}], "training_log")
    table = store.current(Artefact("checkpoint", "one")) / "training_log.parquet"
    table.write_bytes(b"PAR1" + table.read_bytes()[4:-8] + b"12345678")
    found = read_contents(Store(tmp_path), ["one"])
    assert found.experiments == {}
    assert found.tables == read_contents(store, []).tables


def test_what_lacks_a_metric_that_was_added_since_is_shown_once_it_was_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = {"experiment": "one", "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "n": 2, "best": []}
    row |= {"tasks": 2, "test_pairs": 2, "trace": "t@1", "settings": "{}", "max_steps": 3, "step": 3, "bin": "1-9"}
    for asset in ("results_table", "temperature_table", "duration_table"):
        made(store, asset, "", [row])
    for asset in ("prediction_curve", "training_curve", "breakdown"):
        made(store, asset, "one", [row])
    assert read_contents(store, ["one"]) == Contents({}, [], {}, {})


def test_who_leads_and_why_there_is_work_stand_there_escaped() -> None:
    cells = (Cell("90.0", "[70, 100]", True, "t@1"), Cell("85.0", "[64, 99]"))
    leader = Entry("<b>e</b>", "ten", cells, "trained-on: 10 tasks", 500, Origin(868_000, 92.0, "2026-01-01", "abc"))
    shown = Contents({"Models": [SHEET]}, [], {}, {}, leaders=(leader,))
    work = [Work("stale", "the code of <i>tasks</i> changed", 30, "3 tasks", "4 min")]
    html = render(shown, assets(1, "stale"), environment(), "today", (), work)
    text = " ".join(Page(html).text.split())
    assert "<b>e" not in html
    assert "<i>tasks" not in html
    assert "ten: <b>e</b> is the only experiment, vote_2 90.0 % [70, 100]; its evaluation is trained-on" in text
    assert "868,000" in text
    assert "the code of <i>tasks</i> changed3 tasks" in text
    assert html.index('id="leaderboard"') < html.index('id="tables"')


def test_what_a_refresh_would_not_make_is_not_counted() -> None:
    html = render(contents(1), assets(3, "missing"), environment(), "today", planned={("checkpoint", "e1")})
    text = Page(html).text
    assert "1 artefacts are missing or stale" in text
    assert "checkpoint [e1]" in text
    assert "checkpoint [e0]" not in text
