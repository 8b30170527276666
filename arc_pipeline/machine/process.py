"""What a training process owes the machine it runs on: its share of it, and to end with the process that started it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
# for each shape of a matrix product, oneDNN keeps what it compiled and PyTorch what it prepared, a thousand of each by
# default. A step of a packed row needs some dozens, and hardly one is as long as another: in 150 steps of four examples
# the rest grew to 1.9 GB and saved no time
KEPT_SHAPES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "16"}


def end_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends, however that ends. Does nothing outside Linux."""
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def process_environment(processes: int) -> dict[str, str]:
    """What each of `processes` training processes of this machine finds in its environment."""
    return {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
        "TOKENIZERS_PARALLELISM": "false",
        **KEPT_SHAPES,
    }


def is_main_process() -> bool:
    """Whether this is the rank that logs and saves."""
    return int(os.environ.get("RANK", "0")) == 0
