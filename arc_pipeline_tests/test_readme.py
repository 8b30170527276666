"""What the README says is true: the asset graph, the tree, the commands, the licence and the lints."""

import re
import tomllib
from itertools import pairwise, product
from pathlib import Path

import pytest
import typer
import yaml

from arc_pipeline.cli.app import app
from arc_pipeline.definitions import defs as definitions

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def drawn_edges(mermaid: str) -> set[tuple[str, str]]:
    """The edges of lines such as `a & b --> c --> d`."""
    edges = set()
    for line in mermaid.splitlines():
        stations = [re.split(r"\s*&\s*", each.strip()) for each in line.split("-->")]
        for sources, targets in pairwise(stations):
            edges |= set(product(sources, targets))
    return edges


def test_the_graph_is_the_asset_graph() -> None:
    graph = definitions().resolve_asset_graph()
    edges = {
        (parent.to_user_string(), key.to_user_string())
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
    }
    mermaid = README.split("```mermaid")[1].split("```")[0]
    assert drawn_edges(mermaid) == edges


def test_the_tree_names_what_is_there() -> None:
    tree = README.split("```\narc_pipeline/\n")[1].split("```")[0]
    for name in re.findall(r"^\s+([a-z_]+/|[a-z_]+\.py)", tree, re.MULTILINE):
        assert (ROOT / "arc_pipeline" / name).exists(), name
    shown = {path.name for path in (ROOT / "arc_pipeline").iterdir() if not path.name.startswith("__")}
    assert all(re.search(rf"\b{re.escape(name)}\b", tree) for name in shown)


def commands(of: typer.Typer, before: str = "") -> list[str]:
    """All commands, those of sub-commands too."""
    own = [before + (command.name or command.callback.__name__) for command in of.registered_commands]
    groups = [(group.typer_instance, group.typer_instance.info.name) for group in of.registered_groups]
    words = [(group, f"{before}{word} " if isinstance(word, str) else before) for group, word in groups]
    return own + [name for group, prefix in words for name in commands(group, prefix)]


@pytest.mark.parametrize("command", commands(app))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"arc-pipeline {command}" in README


def test_what_the_readme_says_of_the_package_is_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert all("Apache License" in (ROOT / name).read_text() for name in project["license-files"])
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    linted = {hook["entry"].split()[0] for hook in hooks[0]["hooks"]}
    assert linted == {"ruff", "mypy"}
