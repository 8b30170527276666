"""Dagster's webserver behind the guard, with the code server and the daemon that it needs beside it.

`dagster dev` starts the same three, but a webserver that cannot be guarded.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import uvicorn
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from arc_pipeline.defs.origin import LOCATION
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.ui.guard import Guard, Hosts, in_url
from arc_pipeline.ui.live_report import of_project
from arc_pipeline.ui.reloading import reloading
from arc_pipeline.ui.services import Services, services

CODE = "arc_pipeline.definitions"
POLL_MILLISECONDS = 2000
# as Dagster's webserver has them: milliseconds, seconds, connections
DATABASE_LIMITS = (15_000, 3600, 20)
SECONDS_TO_FINISH = 1


def serve(host: str, port: int, report: Callable[[str], None]) -> None:
    """Serves the UI until it is stopped; reports its URL once it is listening."""
    listening = listen(host, port)
    with TemporaryDirectory() as place, services() as beside, dg.DagsterInstance.get() as instance:
        workspace = start(beside, Path(place))
        instance.optimize_for_webserver(*DATABASE_LIMITS)
        with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)]), dg.__version__) as context:
            server = webserver(context, Hosts(host))
            beside.when_one_ends(lambda: setattr(server, "should_exit", True))
            report(f"http://{in_url(host)}:{listening[0].getsockname()[1]}")
            with reloading(Project.current(), lambda: context.reload_code_location(LOCATION)):
                server.run(listening)
        beside.check()


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of a host, all with one port; port 0 is any free one."""
    bound: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((entry[0], entry[4][0]) for entry in addresses):
            port = bound[0].getsockname()[1] if bound else port
            bound.append(socket.create_server((str(address), port), family=family))
    except OSError as error:
        raise ArcPipelineError(f"cannot listen on port {port} of {host}: {error.strerror}; try --port") from error
    return bound


def start(beside: Services, place: Path) -> Path:
    """Starts the code server, then the daemon; returns the workspace file that leads to the code."""
    code = place / "code.socket"
    workspace = place / "workspace.yaml"
    workspace.write_text(
        yaml.safe_dump({"load_from": [{"grpc_server": {"socket": str(code), "location_name": LOCATION}}]})
    )
    command = ("dagster", "code-server", "start", "--socket", str(code), "--location-name", LOCATION)
    beside.start("code server", *command, "--module-name", CODE, "--log-level", "warning")
    beside.wait_for(code.exists)
    beside.start("daemon", "dagster._daemon", "run", "--workspace", str(workspace), "--log-level", "warning")
    return workspace


def webserver(context: WorkspaceProcessContext, hosts: Hosts) -> uvicorn.Server:
    """Dagster's app with the report beside its pages, all of it guarded."""
    app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MILLISECONDS)
    app.router.routes.insert(0, of_project().route)  # before Dagster's, which answer every path
    app.add_middleware(Guard, hosts=hosts)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_FINISH)
    return uvicorn.Server(config)
