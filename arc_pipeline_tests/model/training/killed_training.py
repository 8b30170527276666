"""The training program, started again and again, each time killed without warning at a step, and once to its end.

JOB STEP...: forks after the slow imports, so that a start costs nothing.
"""

import os
import random
import signal
import sys
import time
from typing import TextIO

import peft  # noqa: F401

import arc_pipeline.model.training.trainer  # noqa: F401
from arc_pipeline.model.training.program import train_job_file


def start(job: str) -> tuple[int, TextIO]:
    """A process that trains, and what it says."""
    reader, writer = os.pipe()
    if (process := os.fork()) == 0:
        os.dup2(writer, sys.stderr.fileno())
        train_job_file(job)
        sys.exit()
    os.close(writer)
    return process, os.fdopen(reader)


def relay(said: TextIO, until: int) -> None:
    """Passes on what is said until a step from `until` on is reported."""
    for line in said:
        sys.stderr.write(line)
        if line.startswith("step ") and int(line.split("/")[0].removeprefix("step ")) >= until:
            return


if __name__ == "__main__":
    for step in map(int, sys.argv[2:]):
        process, said = start(sys.argv[1])
        relay(said, step)
        time.sleep(random.Random(step).random() * 0.1)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    process, said = start(sys.argv[1])
    relay(said, sys.maxsize)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
