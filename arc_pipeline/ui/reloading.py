"""Reloads the code location of an open UI when a file changes that its partitions come from."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from arc_pipeline.project import Project

SECONDS_BETWEEN = 1.0
DATASETS = "datasets.yaml"
Seen = dict[Path, tuple[int, int]]


def seen(project: Project) -> Seen:
    """The files that say which partitions there are, each with its size and time of change; and the experiments of
    which something was made: one on hold is a partition from then on."""
    data = project.data
    files = [data / DATASETS, project.queue_file, *project.experiment_files.rglob("*.yaml"), *(data / "raw").iterdir()]
    begun = (project.store.root / "records" / "training_config").glob("*")
    return {path: _state(path) for path in files} | dict.fromkeys(begun, (0, 0))


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


@contextmanager
def reloading(project: Project, reload: Callable[[], None]) -> Iterator[None]:
    """Calls `reload` when something changed, until the end; a file that is being written is waited for."""
    over = threading.Event()

    def watch() -> None:
        loaded = before = _seen_or(project, {})
        while not over.wait(SECONDS_BETWEEN):
            now = _seen_or(project, before)
            if now != loaded and now == before:
                loaded = now
                try:
                    reload()
                except Exception:
                    logging.getLogger(__name__).exception("the UI could not be told of changed files")
            before = now

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join(SECONDS_BETWEEN)


def _seen_or(project: Project, before: Seen) -> Seen:
    """What is there, or what was before where a folder is just being replaced."""
    try:
        return seen(project)
    except OSError:
        return before
