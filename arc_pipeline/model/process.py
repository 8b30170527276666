"""What a training process owes the machine it runs on: it ends with the process that started it. Linux calls only."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends, however that ends. Does nothing outside Linux."""
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def is_main_process() -> bool:
    """Whether this is the rank that logs and saves."""
    return int(os.environ.get("RANK", "0")) == 0
