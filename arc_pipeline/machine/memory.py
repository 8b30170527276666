"""How much memory a process of this machine may take, and a watch that ends one that takes more. Linux's files only."""

import subprocess
import time
from pathlib import Path

LOOK_EVERY_SECONDS = 0.05
CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that a new process may take: what the machine has free, or less if the container's limit is lower."""
    machine = _field(Path("/proc/meminfo"), "MemAvailable")
    limit, used = (CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        reclaimable = _field(CGROUP / "memory.stat", "inactive_file", unit=1) or 0
        return min(machine or int(text), int(text) - int(used.read_text()) + reclaimable)
    return machine or 2**63


def wait_within(process: subprocess.Popen[bytes], limit: int) -> bool:
    """Waits for the process to end; kills it and returns False once it holds more than `limit` bytes."""
    while process.poll() is None:
        if process_memory("VmRSS", process.pid) > limit:
            process.kill()
            process.wait()
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True


def process_memory(name: str, process: int | str = "self") -> int:
    """Bytes that a process holds (`VmRSS`) or has held at most (`VmHWM`); 0 where there is no such process."""
    return _field(Path(f"/proc/{process}/status"), name) or 0


def _field(path: Path, name: str, unit: int = 1024) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # another system, or the process has just ended
        return None
    values = [line.replace(":", " ").split() for line in lines if line.startswith(name)]
    return int(values[0][1]) * unit if values else None
