"""The command line, as a user calls it: one JSON document, or one clear error."""

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest

from arc_pipeline.arc.evaluation.results import RESULT_FIELDS
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import write_table

DATA = Path(__file__).parents[2] / "data"


def start(data: Path, *arguments: str) -> "subprocess.Popen[str]":
    """`arc-pipeline` on a data directory of its own, in a process of its own."""
    program = [sys.executable, "-c", "from arc_pipeline.cli.app import main; main()", *arguments]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(program, env=environment(data), **piped)  # type: ignore[call-overload, no-any-return]


def environment(data: Path) -> dict[str, str]:
    """That of a user who works with a data directory."""
    inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return inherited | {"ARC_PIPELINE_DATA": str(data)}


def ended(process: "subprocess.Popen[str]") -> subprocess.CompletedProcess[str]:
    """The process with all that it said."""
    said = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as `start` does, but in this process, where all that is imported is there already."""
    from arc_pipeline.cli.app import main

    code, out, err = 0, io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(data), clear=True),
        mock.patch.object(sys, "argv", ["arc-pipeline", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ending:
            code = int(ending.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def test_a_reading_command_writes_nothing_and_says_that_there_is_no_project(tmp_path: Path) -> None:
    for arguments in (("stale",), ("results",), ("history", "e"), ("show", "a"), ("doctor",)):
        done = run(tmp_path / "data", *arguments)
        assert done.returncode == 1
        assert "there is no project in" in done.stderr
        assert "arc-pipeline init DIRECTORY" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_new_project_is_complete_and_found_from_below(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    assert "made" in run(home / "data", "init", str(home)).stderr
    inside = home / "data" / "raw"
    assert "files" in (inside / "README.md").read_text()
    assert {"workspace.yaml", ".gitignore"} <= {path.name for path in home.iterdir()}
    variables = {name: value for name, value in environment(home).items() if name != "ARC_PIPELINE_DATA"}
    program = [sys.executable, "-c", "from arc_pipeline.cli.app import main; main()"]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*program, "stale", "--json"], cwd=inside, env=variables | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["status"] for row in rows} == {"missing"}
    made = {(row["asset"], row["partition"]) for row in rows}
    assert ("tasks", "arc-agi-1-ten-shortest") in made
    assert ("tasks", "arc-agi-2-training") not in made, "no experiment that can begin uses it"
    again = run(home / "data", "init", str(home))
    assert again.returncode == 1
    assert "is there already" in again.stderr


@pytest.mark.drill
def test_parallel_first_use_leaves_an_intact_instance(tmp_path: Path) -> None:
    processes = [start(tmp_path / "data", "prune", "--dry-run", "--json") for _ in range(4)]
    endings = [(done.stderr, done.returncode) for done in map(ended, processes)]
    assert [code for _, code in endings] == [0] * 4, endings


def test_score_of_a_perfect_submission(tmp_path: Path) -> None:
    tasks = Catalogue.read(DATA).load("arc-agi-1-evaluation")
    perfect = {task.task_id: [{"attempt_1": pair.output, "attempt_2": [[0]]} for pair in task.test] for task in tasks}
    perfect.pop(tasks[0].task_id)
    file = tmp_path / "submission.json"
    file.write_text(json.dumps(perfect))
    Project(tmp_path / "data").add_defaults()
    done = run(tmp_path / "data", "score", str(file), "arc-agi-1-evaluation", "--json")
    found = json.loads(done.stdout)
    assert (found["tasks"], found["test_pairs"], found["solved"]) == (400, 419, 399)
    assert found["missing_tasks"] == [tasks[0].task_id]


def test_results_before_anything_was_made_say_what_to_do(tmp_path: Path) -> None:
    Project(tmp_path / "data").add_defaults()
    done = ended(start(tmp_path / "data", "results"))
    assert done.returncode == 1
    assert "results_table is not there yet" in done.stderr
    assert "Traceback" not in done.stderr


def made_results(data: Path) -> None:
    """A store with the tables of two experiments, one better than the other on all of ten tasks."""
    from arc_pipeline.arc.evaluation.results import SHOWN_METRICS, TABLES

    rows = [
        {"experiment": name, "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "n": 2, "model": "tiny"}
        | {"tuning": "full", "rank": 32, "max_steps": 100, "settings": '{"tuning": {"method": "full"}}'}
        | dict.fromkeys((*SHOWN_METRICS, "unanswered", "vote_1", "task_score", "task_solved", "pair_score"), share)
        | {"planned": 20, "answered": 20, "decoded": 20, "tasks": 10, "test_pairs": 10, "contamination": ""}
        | {"intervals": {metric: [share, share] for metric in SHOWN_METRICS}, "best": best, "trace": f"metrics[{name}]"}
        for name, share, best in (("bad", 0.25, []), ("good", 0.75, ["vote_2"]))
    ]
    store = Project(data).add_defaults().store
    for asset in TABLES.values():
        with store.writing(Artefact(asset)) as directory:
            write_table(pa.Table.from_pylist(rows), directory, asset)
            record = {"artefact": asset, "data_version": "a" * 64, "code_version": "1", "upstream": {}}
            store.commit(directory, Lineage.model_validate(record))


def test_results_for_a_person_a_program_and_a_spreadsheet(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made_results(data)
    done = run(data, "results", "--sort", "vote_2", "--csv", str(tmp_path / "results.csv"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("good") < done.stdout.index("bad")
    assert "75.0*† [75, 75]" in done.stdout, "nothing says what the numbers were made from"
    with (tmp_path / "results.csv").open() as file:
        good, bad = csv.DictReader(file)
    assert (good["experiment"], good["vote_2"], good["vote_2_low"], good["best"]) == ("good", "0.75", "0.75", "vote_2")
    assert (bad["decoded"], bad["trace"], bad["best"]) == ("20", "metrics[bad]", "")
    rows = json.loads(run(data, "results", "--json").stdout)
    assert [tuple(row) for row in rows] == [(*RESULT_FIELDS, "stale")] * 2
    rows = json.loads(run(data, "results", "--table", "duration", "--json").stdout)
    assert {row["max_steps"] for row in rows} == {100}


def test_a_report_is_one_file_that_says_what_is_there(tmp_path: Path) -> None:
    data, page = tmp_path / "data", tmp_path / "report.html"
    made_results(data)
    done = run(data, "report", "--output", str(page))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("wrote ")
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>")
    assert "75.0*" in html
    assert "was never materialized" in html
    nowhere = run(data, "report", "--output", str(tmp_path / "no" / "report.html"))
    assert nowhere.returncode == 1
    assert "cannot be written: No such file" in nowhere.stderr


def test_results_name_what_they_do_not_know(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made_results(data)
    for arguments, message in (
        (["--table", "model"], "did you mean 'models'"),
        (["--sort", "vote2"], "did you mean 'vote_2'"),
        (["--csv", str(tmp_path / "no" / "file.csv")], "cannot be written: No such file"),
    ):
        done = run(data, "results", *arguments)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_new_experiment_is_a_copy_that_is_there_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = run(data, "new", "mine", "--from", "demo-fixed")
    assert done.returncode == 0, done.stderr
    assert "Next: edit" in done.stderr
    assert (data / "experiments/mine.yaml").read_bytes() == (data / "experiments/demo-fixed.yaml").read_bytes()
    again = run(data, "new", "mine", "--from", "demo-fixed")
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_prune_removes_only_what_nothing_uses(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = Store(data / "store")
    for version in ("a" * 64, "b" * 64):
        with store.writing(Artefact("checkpoint", "demo-fixed")) as directory:
            (directory / "weights").write_text(version)
            record = {"artefact": "checkpoint[demo-fixed]", "data_version": version, "code_version": "1"}
            store.commit(directory, Lineage.model_validate(record | {"upstream": {}}))
    listed = json.loads(ended(start(data, "prune", "--dry-run", "--json")).stdout)
    assert [(row["used"], row["removed"]) for row in listed] == [(False, False), (True, False)]
    done = ended(start(data, "prune", "--yes", "--json"))
    assert [row["removed"] for row in json.loads(done.stdout)] == [True, False], done.stderr
    assert [path.name for path in store.place(Artefact("checkpoint", "demo-fixed")).glob("[ab]*")] == ["b" * 16]
    assert ended(start(data, "prune", "--yes", "--json")).returncode == 0
