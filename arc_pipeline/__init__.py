"""A Dagster data-and-model pipeline for the Abstraction and Reasoning Corpus (ARC)."""

from importlib import import_module
from typing import Any

__all__ = ["Candidate", "Model", "load_model", "open_project", "read_dataset", "render_prompt", "score", "vote"]


def __getattr__(name: str) -> Any:
    """What a notebook needs, imported when it is asked for: see `arc_pipeline.api`."""
    if name in __all__:
        return getattr(import_module("arc_pipeline.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
