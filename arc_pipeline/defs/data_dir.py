"""Where the data directory is. Reads the environment and nothing else."""

import os
from pathlib import Path

import arc_pipeline

DATA_VARIABLE = "ARC_PIPELINE_DATA"


def data_directory() -> Path:
    """`ARC_PIPELINE_DATA`, or `data/` of the checkout that this package runs from, or of the working directory."""
    if named := os.environ.get(DATA_VARIABLE):
        return Path(named).expanduser().resolve()
    checkout = Path(arc_pipeline.__file__).parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "data"
