"""The memory of real processes: what they hold, have held at most, and what is done with one that holds too much."""

import subprocess
import sys
from pathlib import Path

import pytest

from arc_pipeline.machine import memory
from arc_pipeline.machine.memory import available_memory, peak_resident_memory, resident_memory, wait_within

HOLD = "import time; held = bytearray(80_000_000); held[::4096] = b'x' * len(held[::4096]); time.sleep({})"


def holding(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", HOLD.format(seconds)])


def test_a_process_that_holds_too_much_is_killed() -> None:
    process = holding(60)
    assert not wait_within(process, 60_000_000)
    assert process.returncode == -9
    assert resident_memory(process.pid) == 0


def test_one_that_holds_less_ends_by_itself() -> None:
    process = holding(0)
    assert wait_within(process, 2**40)
    assert process.returncode == 0


def test_the_peak_is_at_least_what_is_held() -> None:
    assert 0 < resident_memory() <= peak_resident_memory()


def test_a_limit_of_the_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_memory() > 1000
    for name, text in {"max": "5000\n", "current": "4200\n", "stat": "anon 7\ninactive_file 200\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert available_memory() == 1000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() > 1000
