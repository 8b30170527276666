"""The command that lists the machines of the deployment: machines."""

import json
from typing import TYPE_CHECKING, Any

import typer

from arc_pipeline.cli.console import print_table, wide_console
from arc_pipeline.cli.options import LOOK, Json, examples
from arc_pipeline.cli.session import reading_project

if TYPE_CHECKING:
    from arc_pipeline.defs.machines.settings import Machine

listing = typer.Typer()


@listing.command(rich_help_panel=LOOK, epilog=examples("arc-pipeline machines", "arc-pipeline machines --json"))
def machines(as_json: Json = False) -> None:
    """List the machines of data/machines.yaml, what goes to each, and whether it answers.

    Without that file everything is made on this machine. The exit code is 1 if one does not answer.
    """
    from arc_pipeline.defs.machines.settings import read_machines

    known = read_machines(reading_project().data)
    rows = [
        {
            "machine": name,
            "engine": machine.engine,
            "assets": [rule for rule, to in known.rules.items() if to == name],
            **_answer(machine),
        }
        for name, machine in known.by_name.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table([{**row, "assets": ", ".join(row["assets"])} for row in rows], wide_console())
    if not all(row["reachable"] for row in rows):
        raise typer.Exit(1)


def _answer(machine: "Machine") -> dict[str, Any]:
    from arc_pipeline.defs.machines.settings import LocalMachine
    from arc_pipeline.defs.machines.slurm import Unreachable, answer

    if isinstance(machine, LocalMachine):
        return {"reachable": True, "detail": "this machine"}
    try:
        return {"reachable": True, "detail": answer(machine)}
    except Unreachable as error:
        return {"reachable": False, "detail": str(error)}
