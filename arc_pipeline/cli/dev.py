"""`arc-pipeline dev`: the Dagster UI on the instance that the command line uses."""

import os
from pathlib import Path
from typing import Annotated

import typer

from arc_pipeline.cli.console import say
from arc_pipeline.cli.options import LOOK, examples
from arc_pipeline.cli.session import open_session

interface = typer.Typer()


@interface.command(rich_help_panel=LOOK, epilog=examples("arc-pipeline dev", "arc-pipeline dev --port 0"))
def dev(
    port: Annotated[int, typer.Option(help="The port to listen on; 0 is any free one.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Interface to bind; a non-local address exposes the UI, which has no login.")
    ] = "localhost",
) -> None:
    """Open the Dagster UI in the browser: the asset graph, all runs, and buttons to make everything.

    Ctrl-C stops it with every process that it started.
    """
    open_session()
    from arc_pipeline.defs.instance import HOME_VARIABLE, locked
    from arc_pipeline.ui.guard import is_loopback
    from arc_pipeline.ui.server import serve

    if not is_loopback(host):
        say(
            f"The UI has no login: whoever reaches port {port} of {host} can run, stop and delete everything.",
            "bold red",
        )
        say(f"Safe instead: ssh -L {port}:localhost:{port} THIS_MACHINE from your own machine, without --host", "red")
    home = Path(os.environ[HOME_VARIABLE])
    place = home / ".dev.url"
    with locked(home / ".dev.lock", f"the UI of this data directory is open already{_where(place)}"):

        def opened(url: str) -> None:
            place.write_text(url)
            say(f"Dagster UI: {url} (Ctrl-C stops it and the runs that it started)")
            say(f"report: {url}/report (tables and pictures, as things are when it is opened)")

        try:
            serve(host, port, opened)
        finally:
            place.unlink(missing_ok=True)


def _where(place: Path) -> str:
    """Where the other one said that it is open."""
    return f" at {place.read_text()}; Ctrl-C in its terminal stops it" if place.is_file() else ", and is just starting"
