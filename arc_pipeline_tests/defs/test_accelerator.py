"""The lock on the accelerator, between real processes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from arc_pipeline.defs.accelerator import accelerator

HOLD = """
import sys, time
from pathlib import Path
from arc_pipeline.defs.accelerator import accelerator
with accelerator(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
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
        child = subprocess.Popen(["sleep", "1.5"], pass_fds=[held])
    said: list[str] = []
    with accelerator(tmp_path, said.append):
        assert child.poll() == 0
    assert said
