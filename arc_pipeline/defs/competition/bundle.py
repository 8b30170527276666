"""A model with all that answering needs where there is no network: its project, wheels, hashes, and a notebook.

What pip resolves and downloads is pip's; what is here chooses what goes along.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import arc_pipeline
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.carrying import copy_with_lineage
from arc_pipeline.store.tables import whole_directory
from arc_pipeline.store.verification import files_of, sha256_of

PACKAGE = "arc-pipeline"
PROJECT, WHEELS, NOTEBOOK, SUMS = "project.tar", "wheels", "competition.ipynb", "SHA256SUMS"


def bundle(project: Project, experiment: str, directory: Path, installed: Path | None) -> list[str]:
    """Writes the directory, which appears as a whole or not at all; the wheels that went along.

    `installed` lists what is there, as `pip freeze` writes it: that is left out, and it is an error if the rest does
    not go with it. Without a list everything goes along.
    """
    if directory.exists():
        raise ArcPipelineError(f"{directory} is there already; name another directory, or remove it")
    with whole_directory(directory) as place:
        (place / WHEELS).mkdir()
        with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
            data = Path(temporary) / "data"
            carry_project(project, experiment, data)
            with tarfile.open(place / PROJECT, "w") as archive:
                archive.add(data, data.name)
        wheels = collect_wheels(place / WHEELS, installed)
        (place / NOTEBOOK).write_text(json.dumps(notebook(experiment), indent=1))
        write_sums(place)
    return wheels


def carry_project(project: Project, experiment: str, data: Path) -> None:
    """A data directory that has this experiment's checkpoint with its lineage, and the files that they are made of."""
    (data / "experiments").mkdir(parents=True)
    (data / "raw").mkdir()
    shutil.copyfile(project.data / "datasets.yaml", data / "datasets.yaml")
    experiments, datasets = project.experiments(), project.datasets()
    for each in experiments.history(experiment):
        source = next(iter(sorted(project.experiment_files.rglob(f"{each.name}.yaml"))))
        shutil.copyfile(source, data / "experiments" / source.name)
    copied = copy_with_lineage(project.store, Artefact("checkpoint", experiment), data / "store")
    for name in sorted({artefact.partition for artefact in copied if artefact.asset == "arc_source"}):
        for file in datasets.source_files(name):
            if file.startswith("raw/") and not (data / file).exists():
                (data / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(project.data / file, data / file)


def collect_wheels(place: Path, installed: Path | None) -> list[str]:
    """Builds this package's wheel, has pip resolve what it needs beside what is installed, and downloads the rest."""
    source = Path(arc_pipeline.__file__).parents[1]
    if not (source / "pyproject.toml").is_file():
        raise ArcPipelineError("a bundle is made from a checkout of arc-pipeline: its wheel is built from the sources")
    pip("wheel", "--no-deps", "--wheel-dir", str(place), str(source))
    [own] = place.glob("*.whl")
    there = frozen(installed) if installed else {}
    with _constraints(there) as constraints:
        report = pip("install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", *constraints, str(own))
    needed = [each["metadata"] for each in json.loads(report)["install"]]
    missing = [
        f"{each['name']}=={each['version']}"
        for each in needed
        if _normal(each["name"]) not in there and each["name"] != PACKAGE
    ]
    if missing:
        pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(place), *missing)
    return sorted(path.name for path in place.glob("*.whl"))


def frozen(path: Path) -> dict[str, str]:
    """The versions in a list of installed packages, by normalized name; lines of other forms are left out."""
    pairs = (line.strip().partition("==") for line in path.read_text().splitlines() if not line.startswith(("#", "-")))
    return {_normal(name): version.split(" ")[0] for name, sign, version in pairs if sign}


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


@contextmanager
def _constraints(there: dict[str, str]) -> Iterator[list[str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in there.items() if _normal(name) != PACKAGE)
        file.flush()
        yield ["--constraint", file.name] if there else []


def pip(*arguments: str) -> str:
    """What pip prints; ArcPipelineError with the end of its messages if it fails."""
    command = [sys.executable, "-m", "pip", arguments[0], "--disable-pip-version-check", *arguments[1:]]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        words = "\n".join(ran.stderr.strip().splitlines()[-12:])
        raise ArcPipelineError(f"pip {arguments[0]} failed, so the bundle would not be complete:\n{words}")
    return ran.stdout


def write_sums(place: Path) -> None:
    """The SHA-256 of every file, as `sha256sum --check` reads it."""
    (place / SUMS).write_text("".join(f"{sha256_of(place / name)}  {name}\n" for name in files_of(place)))


VERIFY = """import hashlib, os, shutil, subprocess, sys, tarfile
from pathlib import Path

BUNDLE = Path(os.environ.get("BUNDLE", "."))                                  # this directory
CHALLENGES = Path(os.environ.get("CHALLENGES", "arc-agi_test_challenges.json"))
HOURS = os.environ.get("HOURS", "11.5")
WORK = Path(os.environ.get("WORK", "work")).absolute()                        # where it may write
OUTPUT = Path(os.environ.get("OUTPUT", "submission.json")).absolute()

for line in (BUNDLE / "SHA256SUMS").read_text().splitlines():
    expected, name = line.split("  ", 1)
    with (BUNDLE / name).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected, f"{name} is not what was bundled"
"""
INSTALL = """wheels = ["--no-index", "--find-links", str(BUNDLE / "wheels")]
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wheels, "arc-pipeline"], check=True)
if not (WORK / "data").is_dir():
    with tarfile.open(BUNDLE / "project.tar") as archive:
        archive.extractall(WORK, filter="data")
"""
ANSWER = """answer = ["compete", str(CHALLENGES), "--checkpoint", {experiment!r}, "--hours", HOURS]
program = "from arc_pipeline.cli.app import main; main()"
environment = {{**os.environ, "ARC_PIPELINE_DATA": str(WORK / "data")}}
subprocess.run([sys.executable, "-c", program, *answer, "--output", str(OUTPUT)], check=True, env=environment)
"""


def notebook(experiment: str) -> dict[str, Any]:
    """A notebook that installs the wheels, answers, and leaves the submission."""
    words = (
        f"# {experiment}\n\nVerifies this bundle, installs its wheels without a network, and answers the questions "
        "before the deadline. The submission is valid at any moment."
    )
    cells = [_cell("markdown", words), *(_cell("code", text) for text in (VERIFY, INSTALL))]
    cells.append(_cell("code", ANSWER.format(experiment=experiment)))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def _cell(kind: str, text: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True), **more}
