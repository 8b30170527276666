"""A competition from the command line, with a trained model: ended at any moment, the submission is valid."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from arc_pipeline import read_dataset, score
from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.instance import prepare
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.project import Project

ROOT = Path(__file__).parents[2]
COMMAND = "from arc_pipeline.cli.app import main; main()"
PAIRS = [([[1, 2]], [[2, 1]]), ([[3, 4]], [[4, 3]]), ([[5, 6]], [[6, 5]])]
EXPERIMENT = """
train: [{dataset: mirror}]
augmentation: {geometric: false, colours: false}
max_steps: 60
learning_rate: 3.0e-3
batch_size: 8
max_seq_len: 256
predict: {datasets: [mirror], predictions: 8}
"""
pytestmark = pytest.mark.drill


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A project with a trained model, and a file of questions."""
    data = tmp_path / "data"
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(data))
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster_home"))
    for name in ("raw", "experiments"):
        (data / name).mkdir(parents=True)
    (data / "datasets.yaml").write_text("{}")
    pairs = [{"input": a, "output": b} for a, b in PAIRS]
    tasks = {name: {"train": pairs[:2], "test": pairs[2:]} for name in ("aa", "bb", "cc")}
    (data / "raw" / "mirror.json").write_text(json.dumps(tasks))
    (data / "experiments" / "one.yaml").write_text(EXPERIMENT)
    questions = {name: task | {"test": [{"input": [[7, 8]]}]} for name, task in tasks.items()}
    (tmp_path / "test_challenges.json").write_text(json.dumps(questions))
    project = Project(data)
    prepare(project)
    outcomes = Session(project, build_definitions(project)).refresh(["checkpoint[one]"])
    assert not [outcome.failed for outcome in outcomes if outcome.failed]
    return SimpleNamespace(data=data, place=tmp_path, output=tmp_path / "submission.json")


def compete(trained: SimpleNamespace, hours: str = "1") -> subprocess.Popen:
    arguments = ["compete", "test_challenges.json", "--checkpoint", "one", "--hours", hours]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=trained.place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_valid(output: Path) -> bool:
    found = json.loads(output.read_text())
    entries = [entry for entries in found.values() for entry in entries]
    return (
        sorted(found) == ["aa", "bb", "cc"] and [sorted(entry) for entry in entries] == [["attempt_1", "attempt_2"]] * 3
    )


def test_killed_at_five_moments_it_leaves_a_valid_file_and_goes_on(trained: SimpleNamespace, eventually) -> None:
    def said(process: subprocess.Popen, words: str) -> None:
        assert any(words in line for line in process.stderr), words

    # what it says as it goes, in its own process and in those that it starts
    for words in ("fillers for 3 tasks", "2 candidates", "predictions, attempts", "8 candidates", "prompts completed"):
        process = compete(trained)
        said(process, words)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert is_valid(trained.output)
    process = compete(trained)
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    assert is_valid(trained.output)
    stored = trained.data / "store" / "attempts" / "one-on-test" / "t0.5" / "current" / "test" / "submission.json"
    assert json.loads(trained.output.read_text()) == json.loads(stored.read_text())
    assert score(json.loads(trained.output.read_text()), answered(trained))["test_pairs"] == 3


def answered(trained: SimpleNamespace):
    """The questions with their solutions, which arrive after the competition."""
    questions = json.loads((trained.place / "test_challenges.json").read_text())
    for task in questions.values():
        task["test"][0]["output"] = [[8, 7]]
    (trained.place / "answered.json").write_text(json.dumps(questions))
    return read_dataset(trained.place / "answered.json")


def test_the_notebook_of_a_bundle_answers_without_a_network(trained: SimpleNamespace) -> None:
    """In an environment that has what this one has, as a competition's machine has its packages, but not this one."""
    import nbformat
    from nbclient import NotebookClient

    installed, place = trained.place / "installed.txt", trained.place / "bundle"
    python, others = trained.place / "fresh" / "bin" / "python", trained.place / "others"
    subprocess.run([sys.executable, "-m", "venv", str(trained.place / "fresh")], check=True)
    # an older one than others need
    subprocess.run([str(python), "-m", "pip", "uninstall", "-q", "-y", "setuptools"], check=True)
    packages = next((trained.place / "fresh" / "lib").glob("python*/site-packages"))
    others.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "arc_pipeline" not in path.name:
            (others / path.name).symlink_to(path)
    (packages / "others.pth").write_text(str(others))
    freeze = [str(python), "-m", "pip", "list", "--format=freeze"]
    installed.write_text(subprocess.run(freeze, capture_output=True, text=True, check=True).stdout)
    command = [sys.executable, "-c", COMMAND, "bundle", "one", str(place), "--installed", str(installed)]
    made = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if "No matching distribution" in made.stderr or "Could not find a version" in made.stderr:
        pytest.skip("no registry is reachable, from which a wheel is built")
    assert made.returncode == 0, made.stderr
    assert list((place / "wheels").glob("arc_pipeline-*.whl"))
    kernel = trained.place / "kernels" / "kernels" / "fresh"
    kernel.mkdir(parents=True)
    start = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": start, "display_name": "fresh", "language": "python"}))
    notebook = nbformat.read(place / "competition.ipynb", as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(trained.place / "kernels"))
        patch.setenv("PIP_NO_INDEX", "1")
        for name, value in {
            "BUNDLE": place,
            "CHALLENGES": trained.place / "test_challenges.json",
            "HOURS": "1",
            "WORK": trained.place / "work",
            "OUTPUT": trained.output,
        }.items():
            patch.setenv(name, str(value))
        for name in ("PYTHONPATH", "ARC_PIPELINE_DATA", "DAGSTER_HOME"):
            patch.delenv(name, raising=False)
        NotebookClient(notebook, kernel_name="fresh", timeout=600, resources={"metadata": {"path": "/"}}).execute()
    assert is_valid(trained.output)
    where = [str(python), "-E", "-c", "import arc_pipeline; print(arc_pipeline.__file__)"]
    assert str(packages) in subprocess.run(where, capture_output=True, text=True, cwd="/").stdout
    attempts = trained.place / "work" / "data" / "store" / "attempts" / "one-on-test" / "t0.5" / "current"
    assert json.loads(trained.output.read_text()) == json.loads((attempts / "test" / "submission.json").read_text())
    assert score(json.loads(trained.output.read_text()), answered(trained))["test_pairs"] == 3

    (place / "project.tar").write_bytes((place / "project.tar").read_bytes()[:-1] + b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(trained.place / "kernels"))
        patch.setenv("BUNDLE", str(place))
        with pytest.raises(Exception, match=r"project.tar is not what was bundled"):
            NotebookClient(nbformat.read(place / "competition.ipynb", 4), kernel_name="fresh", timeout=600).execute()


def test_without_time_there_are_fillers(trained: SimpleNamespace) -> None:
    process = compete(trained, hours="0")
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    entry = [{"attempt_1": [[0]], "attempt_2": [[0]]}]
    assert json.loads(trained.output.read_text()) == {"aa": entry, "bb": entry, "cc": entry}


def test_a_file_that_is_not_there_is_said_and_nothing_is_written(trained: SimpleNamespace) -> None:
    (trained.place / "test_challenges.json").unlink()
    _, messages = (process := compete(trained)).communicate(timeout=300)
    assert process.returncode == 1
    assert messages == "error: test_challenges.json is not a file here; name one by its path\n"
    assert not trained.output.exists()
