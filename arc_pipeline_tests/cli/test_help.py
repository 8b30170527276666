"""The help: every command has an example that its own parser accepts, every parameter a help."""

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from arc_pipeline.cli.app import app
from arc_pipeline.cli.options import LOOK, MAKE, MEASURE, TRACE

ROOT = typer.main.get_command(app)


def commands(of: typer.core.TyperGroup, before: tuple[str, ...] = ()) -> dict[tuple[str, ...], typer.core.TyperCommand]:
    """All commands by their words, those of `bench` too."""
    found: dict[tuple[str, ...], typer.core.TyperCommand] = {}
    for name, command in of.commands.items():
        inner = isinstance(command, typer.core.TyperGroup)
        found |= commands(command, (*before, name)) if inner else {(*before, name): command}
    return found


COMMANDS = commands(ROOT)


def shown(*arguments: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_is_documented(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert command.help
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith((".", "...")), parameter.help
    examples = re.findall(r"^- `arc-pipeline (.*)`$", command.epilog or "", re.MULTILINE)
    assert examples
    for example in examples:
        own, given = shlex.split(example)[: len(words)], shlex.split(example)[len(words) :]
        assert own == list(words)
        assert command.make_context("", given)


@pytest.mark.parametrize("words", [(), ("bench",), *COMMANDS], ids=" ".join)
def test_help_fits_the_screen(words: tuple[str, ...]) -> None:
    assert max(map(len, shown(*words, "--help").splitlines())) <= 80


def test_commands_are_grouped() -> None:
    text = shown("--help")
    places = [text.index(f" {name} ─") for name in (MAKE, LOOK, TRACE, MEASURE)]
    assert places == sorted(places)
    assert " Commands ─" not in text
    assert "Abstraction and Reasoning Corpus" in text


def test_the_version() -> None:
    assert shown("--version") == f"arc-pipeline {version('arc-pipeline')}\n"


def test_the_shell_completes_commands_and_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "experiments"
    directory.mkdir()
    for name in ("mine", "mine-too", "other"):
        (directory / f"{name}.yaml").write_text("")
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path))

    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        done = CliRunner().invoke(
            app, [], prog_name="arc-pipeline", env={"_ARC_PIPELINE_COMPLETE": "complete_bash", **words}
        )
        return done.stdout.split()

    assert completed("arc-pipeline re") == ["refresh", "results", "report", "rename"]
    assert completed("arc-pipeline trace mi") == ["mine", "mine-too"]
    assert completed("arc-pipeline stale --select ot") == ["other"]
