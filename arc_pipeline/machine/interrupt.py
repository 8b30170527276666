"""Ctrl-C, remembered: libraries swallow a KeyboardInterrupt that reaches them at a bad moment."""

import signal
from types import FrameType

_asked: list[int] = []


def remember_interrupts() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt as ever, and again where `stop_if_interrupted` is called."""
    signal.signal(signal.SIGINT, _interrupt)


def stop_if_interrupted() -> None:
    """Raises KeyboardInterrupt if there was one that nobody obeyed."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise KeyboardInterrupt
