"""Programs of `arc-pipeline dev` in a process group of their own: stopping it stops every process that they started.

Knows processes and signals, not what runs in them.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arc_pipeline.defs.launcher import LOOK_EVERY_SECONDS, end_group
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.process import end_with_parent


class Services:
    """Started one after the other. A terminal's Ctrl-C reaches only this process, which then ends them."""

    def __init__(self) -> None:
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        """Starts a Python module with arguments; `name` is what an error calls it."""
        first = next(iter(self._programs.values()), None)
        self._programs[name] = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            process_group=first.pid if first else 0,
            preexec_fn=end_with_parent,
        )

    def wait_for(self, there: Callable[[], bool]) -> None:
        """Waits for something that they do."""
        while not there():
            self.check()
            time.sleep(LOOK_EVERY_SECONDS)

    def check(self) -> None:
        """An ArcPipelineError if one of them has ended."""
        for name, program in self._programs.items():
            if (code := program.poll()) is not None:
                raise ArcPipelineError(f"the {name} ended with exit code {code}; see its output above")

    def when_one_ends(self, act: Callable[[], None]) -> None:
        """Has a thread call `act` as soon as one of them has ended."""

        def watch(program: "subprocess.Popen[bytes]") -> None:
            program.wait()
            act()

        for program in self._programs.values():
            threading.Thread(target=watch, args=(program,), daemon=True).start()

    def end(self) -> None:
        """Stops them and every process that they started, within seconds."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C would leave some of them behind
        if self._programs:
            end_group(*self._programs.values())


@contextmanager
def services() -> Iterator[Services]:
    """Services until Ctrl-C, SIGTERM or the end of the terminal, also where a script started this in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGINT))
    started = Services()
    try:
        yield started
    except KeyboardInterrupt:
        pass
    finally:
        started.end()
