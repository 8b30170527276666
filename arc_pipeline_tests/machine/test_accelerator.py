"""The lock on the accelerator, between real processes."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_pipeline.machine import accelerator as module
from arc_pipeline.machine.accelerator import accelerator, lock_files

HOLD = """
import sys, time
from pathlib import Path
from arc_pipeline.machine.accelerator import accelerator
with accelerator(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""
NVIDIA_SMI = """#!/bin/sh
echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa-1)'
echo '  MIG 1g.10gb     Device  0: (UUID: MIG-cccc-3)'
echo 'GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb-2)'
"""


def test_it_waits_for_the_holder_and_is_free_when_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    said: list[str] = []
    threading.Timer(1.0, holder.kill).start()
    started = time.monotonic()
    with accelerator(tmp_path, said.append):
        assert time.monotonic() - started > 0.5
    assert str(holder.pid) in said[0]


def test_a_program_that_inherits_it_keeps_it(tmp_path: Path) -> None:
    with accelerator(tmp_path, print) as held:
        child = subprocess.Popen(["sleep", "1.5"], pass_fds=held)
    said: list[str] = []
    with accelerator(tmp_path, said.append):
        assert child.poll() == 0
    assert said


@pytest.fixture
def visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], list[str]]:
    """The names of the locks of a machine with two GPUs, for a value of CUDA_VISIBLE_DEVICES."""
    (tmp_path / "nvidia-smi").write_text(NVIDIA_SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(module, "LOCKS", tmp_path)

    def names(value: str | None) -> list[str]:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if value is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        return [path.stem.removeprefix("arc_pipeline-accelerator-") for path in lock_files(tmp_path / "store")]

    return names


def test_a_card_has_one_lock_however_it_is_chosen(visible: Callable[[str | None], list[str]]) -> None:
    first, second, processor = ["GPU-aaaa-1"], ["GPU-bbbb-2"], [".accelerator"]
    assert visible(None) == visible("0,1") == visible("1, 0") == visible("GPU-bbbb-2,0") == first + second
    assert visible("0") == visible("GPU-aaaa") == visible("0,-1,1") == visible("0,2,1") == first
    assert visible("1") == visible("GPU-bbbb-2") == second
    assert visible("") == visible("-1") == visible("NoDevFiles") == processor
    assert visible("MIG-cccc-3") == ["MIG-cccc-3"]
    assert visible("MIG-GPU-aaaa-1/1/0") == ["MIG-GPU-aaaa-1-1-0"]


def test_who_uses_both_cards_waits_for_who_uses_one(visible: Callable[[str | None], list[str]], tmp_path: Path) -> None:
    visible("1")
    place = (
        f"import pathlib, arc_pipeline.machine.accelerator as module; module.LOCKS = pathlib.Path({str(tmp_path)!r})"
    )
    command = [sys.executable, "-c", f"{place}\n{HOLD}", str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    threading.Timer(1.0, holder.kill).start()
    said: list[str] = []
    visible(None)
    with accelerator(tmp_path, said.append) as held:
        assert len(held) == 2
    assert len(said) == 1
    assert "GPU-bbbb-2" in said[0]
    holder.wait()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory as /tmp; those of pytest are open to one user."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def test_every_user_may_hold_it(open_to_all: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    before = os.umask(0o077)
    try:
        with accelerator(open_to_all, print):
            pass
    finally:
        os.umask(before)
    assert open_to_all.joinpath(".accelerator.lock").stat().st_mode & 0o777 == 0o666
    monkeypatch.setattr(os, "open", protected(os.open))
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with accelerator(open_to_all, print) as held:
            assert held
    finally:
        if root:
            os.seteuid(0)


def protected(real: Callable[..., int]) -> Callable[..., int]:
    """`os.open` as the kernel has it in /tmp with fs.protected_regular, for files of another user."""

    def opened(path: str, flags: int, *others: int) -> int:
        if flags & os.O_CREAT and Path(path).exists():
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *others)

    return opened
