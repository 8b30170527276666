"""What the help of several commands shares: the groups of commands, examples, and arguments that mean the same."""

from typing import Annotated

import typer

from arc_pipeline.cli.session import complete_experiment

MAKE, LOOK, TRACE, MEASURE = "Make", "Look at results", "Trace", "Measure"

EXPERIMENT = "An experiment: the name of its file in data/experiments/, without .yaml."
DECODING = "How answers are decoded: t0.0 (greedy), t0.1, t0.2, t0.5 or t1.0, named after the temperature."

ExperimentName = Annotated[str, typer.Argument(help=EXPERIMENT, autocompletion=complete_experiment)]
Decoding = Annotated[str, typer.Option(help=DECODING)]
Metric = Annotated[str, typer.Option(help="A metric: vote_2, accuracy, correct_pixels, correct_size, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Select = Annotated[
    list[str],
    typer.Option(
        "--select",
        help="Only this asset, experiment, dataset or decoding; `*` matches any text. May be repeated.",
        autocompletion=complete_experiment,
    ),
]


def examples(*commands: str) -> str:
    """The end of a command's help, in Markdown."""
    return "\n\n".join(["Example:" if len(commands) == 1 else "Examples:", *(f"- `{each}`" for each in commands)])
