"""The disk is really full, with the database on it: one sentence, nothing lost, and the same content once it is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from arc_pipeline.store.artefact import Artefact

ROOT = Path(__file__).parents[2]
COMMAND = "from arc_pipeline.cli.app import main; main()"
CHECKPOINT = Artefact("checkpoint", "one")
VERSION = f"""
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
print(Project.current().store.required(Artefact{CHECKPOINT.asset, CHECKPOINT.partition}).data_version)
"""
# on a file system of that size, in a namespace of its own: nobody else sees it
ON_A_SMALL_DISK = """
size=$1 disk=$2 given=$3 python=$4 command=$5 version=$6
set -eu
mount -t tmpfs -o size=$size tmpfs "$disk"
cp -r "$given/." "$disk"
if "$python" -c "$command" refresh --yes --select checkpoint 2> "$given/full.txt"; then exit 99; fi
mount -o remount,size=500m "$disk"
"$python" -c "$command" refresh --yes --select checkpoint
"$python" -c "$command" doctor --deep --json > "$given/doctor.json" || true
"$python" -c "$version" > "$given/version.txt"
"""


def can_mount() -> bool:
    """Whether this machine lets a namespace have a file system of its own."""
    if shutil.which("unshare") is None:
        return False
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mount, capture_output=True).returncode == 0


@pytest.mark.drill
@pytest.mark.skipif(not can_mount(), reason="no file system of limited size can be had here (unshare, mount)")
def test_a_full_disk(project: SimpleNamespace, tmp_path: Path) -> None:
    project.write("one")
    given, disk = tmp_path / "given", tmp_path / "disk"
    shutil.copytree(project.data, given)
    disk.mkdir()
    undisturbed = project.load()
    assert not [outcome.failed for outcome in undisturbed.refresh(["checkpoint[one]"]) if outcome.failed]
    expected = undisturbed.project.store.required(CHECKPOINT).data_version
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment |= {"ARC_PIPELINE_DATA": str(disk), "PYTHONPATH": str(ROOT)}
    for size in ("900k", "5m"):  # full in the first runs, and while the weights are saved
        arguments = [size, str(disk), str(given), sys.executable, COMMAND, VERSION]
        ran = subprocess.run(
            ["unshare", "-rm", "bash", "-c", ON_A_SMALL_DISK, "bash", *arguments],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        said = (given / "full.txt").read_text()
        assert "Traceback" not in said
        assert "sqlalche.me" not in said
        assert [line for line in said.splitlines() if "full" in line or "disk I/O error" in line or "No space" in line]
        assert (given / "version.txt").read_text().strip() == expected
        findings = json.loads((given / "doctor.json").read_text())
        assert {each["status"] for each in findings if each["check"] in {"store", "records", "database"}} == {"ok"}
