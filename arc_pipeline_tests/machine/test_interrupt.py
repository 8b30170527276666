"""Ctrl-C that a library swallows still ends the program."""

import signal
import subprocess
import sys

PROGRAM = """
import os, signal
from arc_pipeline.machine.interrupt import remember_interrupts, stop_if_interrupted
remember_interrupts()
stop_if_interrupted()
try:
    os.kill(os.getpid(), signal.SIGINT)
except BaseException as error:
    print(type(error).__name__, "swallowed")
stop_if_interrupted()
print("went on")
"""


def test_a_swallowed_interrupt_is_raised_again() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ran.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert ran.stdout == "KeyboardInterrupt swallowed\n"
