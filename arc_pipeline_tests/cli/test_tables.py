"""What a person reads on 80 columns: causes, versions, tables for a paper; and the names that commands take."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from filelock import FileLock

from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import write_table
from arc_pipeline_tests.cli.test_app import made_results, run


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with the default files, on a screen of 80 columns."""
    monkeypatch.setattr("arc_pipeline.cli.console.columns", lambda: 80)
    return Project(tmp_path / "data").add_defaults().data


def commit_metrics(data: Path, version: str, share: float) -> Lineage:
    """A version of the metrics of demo-fixed."""
    store, artefact = Store(data / "store"), Artefact("metrics", "demo-fixed/t0.0")
    row = {"dataset": "ten", "accuracy": share, "correct_pixels": share, "vote_2": share}
    with store.writing(artefact) as directory:
        write_table(pa.Table.from_pylist([row]), directory, "metrics")
        record = {"artefact": str(artefact), "data_version": version * 64, "code_version": "1", "upstream": {}}
        record |= {"created_at": "2026-01-02T03:04:05+00:00"}
        store.commit(directory, Lineage.model_validate(record))
    made = store.record(artefact)
    assert made
    return made


def test_history_has_a_row_for_what_is_damaged_or_pruned(data: Path) -> None:
    pruned, damaged, _ = (commit_metrics(data, *each) for each in (("a", 0.1), ("b", 0.2), ("c", 1 / 3)))
    store = Store(data / "store")
    for file in store.content(pruned).iterdir():
        file.chmod(0o600)
        file.unlink()
    store.content(pruned).chmod(0o700)
    store.content(pruned).rmdir()
    [file] = store.content(damaged).glob("*.parquet")
    file.chmod(0o600)
    file.write_bytes(b"x" * file.stat().st_size)
    done = run(data, "history", "demo-fixed")
    assert done.returncode == 0, done.stderr
    assert "pruned" in done.stdout
    assert "damaged" in done.stdout
    assert "33.33" in done.stdout
    assert "2026-01-0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = json.loads(run(data, "history", "demo-fixed", "--json").stdout)
    assert [row["vote_2"] for row in rows] == [None, None, pytest.approx(1 / 3)]
    assert [row["current"] for row in rows] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trace", "demo-fixd", "t0.0"), "there is no experiment 'demo-fixd'; did you mean 'demo-fixed'?"),
        (("trace", "demo-fixed", "t00"), "did you mean 't0.0'"),
        (("history", "demo-fixd"), "did you mean 'demo-fixed'"),
        (("diff", "demo-fixd@ab", "demo-fixed"), "did you mean 'demo-fixed'"),
        (("failures", "demo-fixd"), "did you mean 'demo-fixed'"),
        (("bench", "estimate", "demo-fixd"), "did you mean 'demo-fixed'"),
        (("new", "x", "--from", "demo-fixd"), "did you mean 'demo-fixed'"),
        (("new", "x", "--dataset", "arc-agi-1-ten-shortst"), "did you mean 'arc-agi-1-ten-shortest'"),
        (("accept", "checkpont", "demo-fixed", "--reason", "r"), "did you mean 'checkpoint'"),
        (("stale", "--select", "demo-fixd"), "did you mean 'demo-fixed'"),
    ],
)
def test_a_name_that_is_nearly_right(data: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(data, *arguments)
    assert done.returncode == 1
    assert words in done.stderr


def test_an_error_names_ten_at_most(data: Path) -> None:
    done = run(data, "history", "zzzzzzzz")
    assert "and 2" in done.stderr.rpartition(",")[2]
    assert done.stderr.count(",") == 9


def test_stale_says_each_cause_once_and_faults_first(data: Path) -> None:
    (data / "experiments" / "broken.yaml").write_text("lr: [")
    done = run(data, "stale")
    assert done.returncode == 1
    assert done.stderr.count("broken.yaml") == 1
    assert "broken" not in done.stdout
    assert done.stdout.count("demo-fixed was never made") == 1
    assert "unknown" in done.stdout, "nothing was made, so nobody knows what it takes"
    assert "arc-agi-2" not in done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    (data / "experiments" / "broken.yaml").unlink()
    assert run(data, "stale").returncode == 0
    assert run(data, "stale", "--exit-code").returncode == 1


def test_results_in_the_formats_of_others(data: Path) -> None:
    made_results(data)
    markdown = run(data, "results", "--format", "markdown")
    assert "| good " in markdown.stdout
    assert "**75.0**\\*†" in markdown.stdout
    latex = run(data, "results", "--format", "latex").stdout
    assert r"\textbf{75.0}*$^\dagger$ {[75, 75]}" in latex
    assert r"correct\_pixels" in latex
    assert latex.count("{") == latex.count("}")
    rows = list(csv.DictReader(io.StringIO(run(data, "results", "--format", "csv").stdout)))
    assert [row["vote_2"] for row in rows] == ["0.25", "0.75"]
    assert all(row["stale"] for row in rows)
    assert run(data, "results", "--format", "json").stdout == run(data, "results", "--json").stdout
    assert "not in this table, since not made yet: demo-fixed, demo-legacy-swap" in markdown.stderr
    assert run(data, "results", "--format", "csv", "--json").returncode == 1


def test_results_of_an_older_version(data: Path) -> None:
    made_results(data)
    [now] = Store(data / "store").history(Artefact("results_table"))
    done = run(data, "results", "--version", now.data_version[:6], "--json")
    assert {row["experiment"] for row in json.loads(done.stdout)} == {"good", "bad"}
    refused = run(data, "results", "--version", "ffff")
    assert "has no version ffff; there are: aaaa" in refused.stderr


def test_dev_that_is_open_already_says_where(data: Path) -> None:
    home = data / "dagster_home"
    (home / ".dev.url").write_text("http://localhost:3001")
    with FileLock(home / ".dev.lock"):
        done = run(data, "dev", "--port", "0")
    assert done.returncode == 1
    assert "is open already at http://localhost:3001; Ctrl-C in its terminal" in done.stderr
