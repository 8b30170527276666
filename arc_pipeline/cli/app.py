"""The command line: puts the groups of commands together. With `--json` standard output is one JSON document."""

import errno
import gc
import os
import shlex
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from arc_pipeline.cli.bench import measuring
from arc_pipeline.cli.compete import competing
from arc_pipeline.cli.console import say
from arc_pipeline.cli.dev import interface
from arc_pipeline.cli.export import exporting
from arc_pipeline.cli.failures import failing
from arc_pipeline.cli.lineage import lineage
from arc_pipeline.cli.machines import listing
from arc_pipeline.cli.make import making
from arc_pipeline.cli.options import MAKE, examples
from arc_pipeline.cli.rename import rename
from arc_pipeline.cli.results import shown
from arc_pipeline.cli.show import pictures
from arc_pipeline.errors import ArcPipelineError, words_of
from arc_pipeline.machine.interrupt import remember_interrupts

HELP = """From ARC tasks to fine-tuned language models and tables of metrics, and back from each number to its sources.

ARC is the Abstraction and Reasoning Corpus: puzzles of coloured grids, each with a few solved pairs of an input and an
output grid, from which the output of a test input is to be found. An experiment is one YAML file in data/experiments/:
a model, what it is trained on, and what it is evaluated on. What is made of it is kept in data/store/.

Results are printed on standard output, as one JSON document with `--json`; messages on standard error. The exit code is
0 if a command did what it was told.
"""

# as shells do: 128 and the number of the signal
INTERRUPTED = 128 + signal.SIGINT
# of Python's collector of cycles: with its own thresholds it takes a fifth of the time that a large scan takes
RARELY = (50_000, 20, 50)
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=HELP,
    epilog=examples(
        "arc-pipeline demo              # start here: everything, on ten tasks",
        "arc-pipeline dev               # look at what it made, in the browser",
        "arc-pipeline results           # or in the terminal",
        "arc-pipeline COMMAND --help    # what a command does, with examples",
    ),
)
for group in (making, exporting, competing, shown, pictures, failing, interface, lineage, measuring, listing):
    app.add_typer(group)
app.add_typer(rename, rich_help_panel=MAKE)


def main() -> None:
    """Runs a command; an error that the user can fix ends it with its message alone."""
    gc.set_threshold(*RARELY)
    remember_interrupts()
    try:
        app(prog_name="arc-pipeline")
    except ArcPipelineError as error:
        say(f"error: {error}", "bold red")
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            command = shlex.join(["arc-pipeline", *sys.argv[1:]])
            say(f"interrupted; what was finished is kept, to continue run: {command}", "yellow")
        raise
    except Exception as error:
        if (words := outside(error)) is None:
            raise
        say(f"error: {words}", "bold red")
        sys.exit(1)


def outside(error: Exception) -> str | None:
    """One sentence for what the machine refuses: Dagster's database, or a disk; None for faults of this program."""
    if type(error).__module__.startswith("sqlalchemy."):
        home = os.environ.get("DAGSTER_HOME", "")
        return (
            f"Dagster's database in {home} cannot be used ({words_of(error)}); nothing that was made is lost. "
            "Free some disk space or make it writable if that is what it says, then run this again; "
            "else run: arc-pipeline doctor"
        )
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return f"{error.filename or 'a file'}: {error.strerror}; nothing made is lost, correct that and run it again"
    return None


def print_version(wanted: bool) -> None:
    """Prints the version and ends the program, before any command runs."""
    if wanted:
        print(f"arc-pipeline {version('arc-pipeline')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What holds for all commands."""
