"""One training or prediction at a time on an accelerator: locks on files, the last defence behind Dagster's pool.

A lock belongs to whoever has the file open, so it is free again the moment the last of its processes ends.
"""

import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path

# one run in a pool at a time: the coordinator keeps the others queued (see dagster.yaml)
POOL = "accelerator"
# not TMPDIR, which may be a user's own
LOCKS = Path("/tmp")
LOOK_EVERY_SECONDS = 2.0
LISTED_WITHIN_SECONDS = 60


def lock_files(store: Path) -> list[Path]:
    """A lock for each GPU that this process may use, shared by all projects and users of this machine; the processor's
    is the project's own."""
    names = sorted({name.replace("/", "-") for name in visible_gpus()})
    return [LOCKS / f"arc_pipeline-accelerator-{name}.lock" for name in names] or [store / ".accelerator.lock"]


def visible_gpus() -> list[str]:
    """The GPUs that CUDA shows to this process, without asking torch; each has one name, however it was chosen.

    Not covered: a card that one process names by number and another by UUID, if there is no nvidia-smi or CUDA counts
    otherwise (unlike cards without CUDA_DEVICE_ORDER=PCI_BUS_ID); a card and a slice of it (MIG).
    """
    gpus, chosen = all_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not gpus:
        return gpus
    # CUDA stops at the first that is none, such as -1
    return [*takewhile(bool, (_gpu(each.strip(), gpus) for each in chosen.split(",")))]


def all_gpus() -> list[str]:
    """The GPUs of this machine in the order of their numbers: UUIDs if nvidia-smi tells them, else the numbers."""
    try:
        command = ["nvidia-smi", "-L"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=LISTED_WITHIN_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        listed = ""
    uuids = re.findall(r"^GPU \d+: .*\(UUID: (GPU-[^)]+)\)", listed, re.MULTILINE)
    return uuids or [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def _gpu(chosen: str, gpus: list[str]) -> str:
    """The name of the GPU of a number or of the beginning of a UUID; empty if there is none."""
    if chosen.isdigit():
        return gpus[int(chosen)] if int(chosen) < len(gpus) else ""
    if chosen.startswith(("GPU-", "MIG-")):
        return next((gpu for gpu in gpus if gpu.startswith(chosen)), chosen)
    return ""


@contextmanager
def accelerator(store: Path, report: Callable[[str], None]) -> Iterator[list[int]]:
    """Waits for the accelerator, then holds it; yields file descriptors, to be inherited by programs that use it."""
    with ExitStack() as stack:
        # in the order of their names everywhere: otherwise two programs could wait for each other
        yield [stack.enter_context(_held(path, report)) for path in lock_files(store)]


@contextmanager
def _held(path: Path, report: Callable[[str], None]) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", opener=_for_all_users) as file:
        _acquire(file.fileno(), path, report)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _for_all_users(path: str, flags: int) -> int:
    """Opens a file that every user may open so, or makes it."""
    try:
        # the kernel forbids O_CREAT on another user's file in /tmp, whatever its mode (fs.protected_regular)
        return os.open(path, flags & ~os.O_CREAT)
    except FileNotFoundError:
        descriptor = os.open(path, flags)
        os.fchmod(descriptor, 0o666)  # the umask has no say in it
        return descriptor


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
