"""The training program that also writes down, rank by rank, which examples it rendered: RECORD JOB."""

import os
import sys
from pathlib import Path
from typing import Any

from arc_pipeline.model.training.dataset import ExampleDataset
from arc_pipeline.model.training.program import train_job_file

original = ExampleDataset.__getitem__


def recorded(self: ExampleDataset, index: int) -> Any:
    """Renders the example and writes its number down."""
    with Path(sys.argv[1], os.environ.get("RANK", "0")).open("a") as file:
        file.write(f"{index}\n")
    return original(self, index)


if __name__ == "__main__":
    ExampleDataset.__getitem__ = recorded  # type: ignore[method-assign]
    train_job_file(sys.argv[2])
