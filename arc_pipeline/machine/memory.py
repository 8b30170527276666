"""How much memory a process of this machine may take, and a watch that ends one that takes more."""

import subprocess
import time
from pathlib import Path

import psutil

LOOK_EVERY_SECONDS = 0.05
CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that a new process may take: what the machine has free, or less if the container's limit is lower."""
    machine: int = psutil.virtual_memory().available
    limit, used = (CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        reclaimable = _field(CGROUP / "memory.stat", "inactive_file ")
        return min(machine, int(text) - int(used.read_text()) + reclaimable)
    return machine


def wait_within(process: subprocess.Popen[bytes], limit: int) -> bool:
    """Waits for the process to end; kills it and returns False once it holds more than `limit` bytes."""
    while process.poll() is None:
        if resident_memory(process.pid) > limit:
            process.kill()
            process.wait()
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True


def resident_memory(process: int | None = None) -> int:
    """Bytes that a process holds, this one if none is named; 0 where there is no such process."""
    try:
        resident: int = psutil.Process(process).memory_info().rss
    except psutil.NoSuchProcess:  # it has just ended
        return 0
    return resident


def peak_resident_memory() -> int:
    """Bytes that this process has held at most since /proc/self/clear_refs was written to. Linux alone tells that."""
    return _field(Path("/proc/self/status"), "VmHWM:") * 1024


def _field(path: Path, name: str) -> int:
    """The number after a name at the beginning of a line of one of the kernel's files; 0 if there is no such line."""
    values = (line.split()[1] for line in path.read_text().splitlines() if line.startswith(name))
    return int(next(values, 0))
