"""`arc-pipeline dev`: the Dagster UI on the instance that the command line uses."""

import os
from pathlib import Path
from typing import Annotated

import typer

from arc_pipeline.cli.console import say
from arc_pipeline.cli.session import open_session

interface = typer.Typer()


@interface.command()
def dev(
    port: Annotated[int, typer.Option(help="0 is any free one.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Where to listen; others than this machine can then do everything.")
    ] = "localhost",
) -> None:
    """Open the Dagster UI, with its daemon, on the instance that the command line uses."""
    open_session()
    from arc_pipeline.defs.instance import HOME_VARIABLE, locked
    from arc_pipeline.ui.guard import is_loopback
    from arc_pipeline.ui.server import serve

    if not is_loopback(host):
        say(
            f"The UI has no login: whoever reaches port {port} of {host} can run, stop and delete everything.",
            "bold red",
        )
        say(f"From your own machine alone: ssh -L {port}:localhost:{port} THIS_MACHINE, without --host", "red")
    with locked(Path(os.environ[HOME_VARIABLE]) / ".dev.lock", "the UI of this data directory is open already"):
        serve(host, port, lambda url: say(f"Dagster UI: {url} (Ctrl-C ends it and the runs that it started)"))
