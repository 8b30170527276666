"""`arc-pipeline dev` itself: one for a data directory, a clear word on what it opens, and nothing left when it ends."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.ui.server import listen

LONG = {"max_steps": 999, "batch_size": 8, "save_steps": 20, "logging_steps": 1}
INPUTS = ("augmented_examples", "training_config", "initial_weights")
LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) { __typename ... on PythonError { message } }
}
"""
CHECKPOINT = {
    "selector": {
        "repositoryLocationName": "arc_pipeline",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": ["checkpoint"]}],
    },
    "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "long"}]},
}


@pytest.mark.drill
def test_a_second_ui_of_a_data_directory_is_refused(command_line: Callable[..., Any], ui: Any) -> None:
    done = command_line(ui.data, "dev", "--port", "0")
    assert done.returncode == 1
    assert "the UI of this data directory is open already" in done.stderr


def test_it_says_what_another_host_opens_and_that_a_port_is_taken(
    new_data: Callable[..., Path], command_line: Callable[..., Any]
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command_line(new_data(), "dev", "--port", port, "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "The UI has no login" in done.stderr
    assert f"cannot listen on port {port} of 0.0.0.0" in done.stderr


@pytest.mark.drill
def test_ctrl_c_ends_all_processes_and_the_training_can_go_on(
    new_data: Callable[..., Path],
    command_line: Callable[..., Any],
    start_ui: Callable[[Path], Any],
    eventually: Callable[..., Any],
) -> None:
    data = new_data(long=LONG)
    ui = start_ui(data)
    made = command_line(data, "refresh", "--yes", *(word for name in INPUTS for word in ("--select", name)))
    assert made.returncode == 0, made.stderr
    launched = ui.graphql(LAUNCH, parameters=CHECKPOINT)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    states = eventually(lambda: list((data / "store" / "training" / "long").glob("*/checkpoint-*")), 300)
    family = psutil.Process(ui.process.pid).children(recursive=True)
    assert any("arc_pipeline.model.training.program" in each.cmdline() for each in family)

    ui.process.send_signal(signal.SIGINT)  # as a terminal sends it: the others have a process group of their own
    assert ui.process.wait(120) == 0
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert states[0].exists()


def test_all_addresses_of_a_host_have_one_port() -> None:
    found = listen("localhost", 0)
    assert len({each.getsockname()[1] for each in found}) == 1
    assert all(each.getsockname()[0] in ("127.0.0.1", "::1") for each in found)
    for each in found:
        each.close()
    with pytest.raises(ArcPipelineError, match=r"no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)
