"""`arc-pipeline dev` itself: one for a data directory, a clear word on what it opens, and nothing left when it ends."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.ui.server import listen

LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""
STATUS = "query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"


def test_a_second_ui_of_a_data_directory_is_refused(ui: Any) -> None:
    done = ui.run("dev", "--port", "0")
    assert done.returncode == 1
    assert "the UI of this data directory is open already" in done.stderr


def test_what_another_host_opens_is_said_and_a_taken_port_is_an_error(new_data: Callable[..., Path], ui: Any) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        ui.data, before = new_data(), ui.data
        done = ui.run("dev", "--port", port, "--host", "0.0.0.0")
        ui.data = before
    assert done.returncode == 1
    assert "The UI has no login" in done.stderr
    assert f"cannot listen on port {port} of 0.0.0.0" in done.stderr


def test_all_addresses_of_a_host_have_one_port() -> None:
    found = listen("localhost", 0)
    assert len({each.getsockname()[1] for each in found}) == 1
    assert all(each.getsockname()[0] in ("127.0.0.1", "::1") for each in found)
    for each in found:
        each.close()
    with pytest.raises(ArcPipelineError, match="no.such.host.invalid"):
        listen("no.such.host.invalid", 0)
