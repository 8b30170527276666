"""`arc-pipeline dev` as a user starts it, on a data directory of its own with two small tasks."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from arc_pipeline.cli.app import main; main()"]
PAIRS = [([[1, 2]], [[2, 1]]), ([[3, 4]], [[4, 3]]), ([[5, 6]], [[6, 5]])]
EXPERIMENT = {
    "model": "tiny",
    "train": [{"dataset": "mirror"}],
    "augmentation": {"geometric": False, "colours": False},
    "max_steps": 8,
    "batch_size": 8,
    "max_seq_len": 256,
    "predict": {"datasets": ["mirror"], "predictions": 2},
}


class Interface:
    """A running UI and its data directory."""

    def __init__(self, data: Path, eventually: Callable[..., Any]) -> None:
        self.data, self.log = data, data / "dev.log"
        with self.log.open("wb") as log:
            command = [*COMMAND, "dev", "--port", "0"]
            self.process = subprocess.Popen(command, env=environment(data), cwd=data, stdout=log, stderr=log)
        self.url = eventually(self._url, 180)
        self.port = int(self.url.rpartition(":")[2])

    def _url(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"Dagster UI: (\S+)", self.log.read_text())
        return found[1] if found else ""

    def ask(self, method: str, path: str, headers: Mapping[str, str] = {}, body: str = "") -> tuple[int, str]:
        """(status, body) of exactly this request, to 127.0.0.1."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body or None, {"Host": f"localhost:{self.port}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    def headers(self, path: str) -> Mapping[str, str]:
        """The headers of an answer."""
        with urlopen(f"{self.url}{path}", timeout=60) as answer:
            return dict(answer.headers)

    def graphql(self, query: str, **variables: Any) -> Any:
        """The data that a query or mutation answers."""
        document = json.dumps({"query": query, "variables": variables})
        status, answer = self.ask("POST", "/graphql", {"Content-Type": "application/json"}, document)
        assert status == 200, answer
        return json.loads(answer)["data"]


def environment(data: Path) -> dict[str, str]:
    """That of a user who works with a data directory."""
    inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return inherited | {"ARC_PIPELINE_DATA": str(data), "PYTHONPATH": str(ROOT)}


def write_data(data: Path) -> Path:
    """A data directory with the dataset `mirror` and no experiment."""
    for name in ("raw", "experiments"):
        (data / name).mkdir(parents=True)
    (data / "datasets.yaml").write_text("{}")
    pairs = [{"input": a, "output": b} for a, b in PAIRS]
    tasks = {name: {"train": pairs[:2], "test": pairs[2:]} for name in ("aa", "bb")}
    (data / "raw" / "mirror.json").write_text(json.dumps(tasks))
    return data


@pytest.fixture(scope="session")
def command_line() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `arc-pipeline ARGUMENTS` on a data directory."""

    def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *arguments]
        return subprocess.run(command, env=environment(data), cwd=data, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def start_ui(eventually: Callable[..., Any]) -> Iterator[Callable[[Path], Interface]]:
    """Starts the UI of a data directory. In the end it is told to end, and must."""
    started: list[Interface] = []

    def start(data: Path) -> Interface:
        started.append(Interface(data, eventually))
        return started[-1]

    yield start
    for each in started:
        each.process.terminate()
        assert each.process.wait(120) == 0


@pytest.fixture(scope="session")
def new_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes data directories with two tasks and the experiment `small`, or with other settings by name."""

    def make(**experiments: dict[str, Any]) -> Path:
        data = write_data(tmp_path_factory.mktemp("ui") / "data")
        for name, changes in (experiments or {"small": {}}).items():
            (data / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))
        return data

    return make


@pytest.fixture(scope="session")
def ui(start_ui: Callable[[Path], Interface], new_data: Callable[[], Path]) -> Interface:
    """One UI for the tests that leave it running."""
    return start_ui(new_data())
