"""One training or prediction at a time on an accelerator: a lock on a file, the last defence behind Dagster's pool.

The lock belongs to whoever has the file open, so it is free again the moment the last of its processes ends.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# one run in a pool at a time: the coordinator keeps the others queued (see dagster.yaml)
POOL = "accelerator"
LOOK_EVERY_SECONDS = 2.0


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA device, without asking torch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def lock_file(store: Path) -> Path:
    """A GPU is shared by all projects of this machine; the processor's lock is the project's own."""
    if not has_gpu():
        return store / ".accelerator.lock"
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    return Path(tempfile.gettempdir()) / f"arc_pipeline-accelerator-{devices}.lock"


@contextmanager
def accelerator(store: Path, report: Callable[[str], None]) -> Iterator[int]:
    """Waits for the accelerator, then holds it; yields the file descriptor, to be inherited by programs that use it."""
    path = lock_file(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file.fileno(), path, report)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _acquire(descriptor: int, path: Path, report: Callable[[str], None]) -> None:
    told = False
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                report(f"waiting for the accelerator, process {path.read_text() or 'unknown'} has it ({path})")
                told = True
            time.sleep(LOOK_EVERY_SECONDS)
