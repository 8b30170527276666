"""The command that gives an experiment or a dataset another name and keeps what was made of it: rename."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arc_pipeline.cli.console import say
from arc_pipeline.cli.options import Json, examples
from arc_pipeline.cli.session import complete_experiment, open_session
from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from arc_pipeline.arc.renaming import Kind
    from arc_pipeline.defs.upkeep.session import Session

rename = typer.Typer(
    name="rename",
    help="Rename an experiment or a dataset, and keep what was made of it.\n\nThe file or entry gets the new name, and "
    "so does whatever names it: other experiments, derived datasets, the training queue. What was made is taken over: "
    "no training is done again because of a name. If the files have the new name already, or both names, only that is "
    "done. Records of the former name stay, and can be traced.",
    no_args_is_help=True,
)
Old = Annotated[str, typer.Argument(help="The former name.", autocompletion=complete_experiment)]
New = Annotated[str, typer.Argument(help="The new name: letters, digits and `_ . -`.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which files would be changed.")]


@rename.command(epilog=examples("arc-pipeline rename experiment mine base-100k"))
def experiment(old: Old, new: New, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Rename data/experiments/OLD.yaml, or take over what was made of OLD for a copy that is called NEW."""
    _rename("experiment", old, new, dry_run, as_json)


@rename.command(
    epilog=examples("arc-pipeline rename dataset mine mine-2026", "arc-pipeline rename dataset a b --dry-run")
)
def dataset(old: Old, new: New, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Rename a dataset: its entry in datasets.yaml or its files in data/raw/."""
    _rename("dataset", old, new, dry_run, as_json)


def _rename(kind: "Kind", old: str, new: str, dry_run: bool, as_json: bool) -> None:
    from arc_pipeline.arc.renaming import edits, refuse_name
    from arc_pipeline.defs.upkeep.renaming import Renaming, refuse, take_over

    refuse_name(new)
    session = open_session()
    renaming = Renaming(kind, old, new)
    refuse(session, renaming)
    known = {old, new} & set(_known(session, kind))
    if not known:
        raise ArcPipelineError(f"neither {old!r} nor {new!r} is a {kind} in {session.project.data}")
    planned = edits(session.project.data, kind, old, new) if len(known) == 1 else []
    for edit in planned:
        moved = f"is renamed to {edit.target.name}" if edit.target else f"names {new} instead of {old}"
        say(f"{_shown(session, edit.path)} {moved}")
    if dry_run:
        say("nothing was changed")
        return
    for edit in planned:
        edit.apply()
    taken = take_over(open_session() if planned else session, renaming)
    if as_json:
        print(json.dumps([record.model_dump(include={"artefact", "data_version", "renamed_from"}) for record in taken]))
    say(f"took over {len(taken)} artefacts of {old}; what is left to make says: arc-pipeline stale --select {new}")


def _known(session: "Session", kind: "Kind") -> list[str]:
    return session.experiments() if kind == "experiment" else session.project.datasets().names()


def _shown(session: "Session", path: Path) -> str:
    return str(path.relative_to(session.project.data.parent))
