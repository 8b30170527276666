"""Ctrl-C, remembered: libraries swallow a KeyboardInterrupt that reaches them at a bad moment."""

import signal
from types import FrameType

_asked: list[int] = []
_told_to_end: list[int] = []
# the exit code of a training that was told to end, and that resumes at the state it saved (EX_TEMPFAIL)
SAVED_AND_ENDED = 75


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


def remember_request_to_end() -> None:
    """From now on SIGTERM ends nothing by itself: who works looks at `must_end`, saves, and ends."""
    signal.signal(signal.SIGTERM, lambda number, frame: _told_to_end.append(number))


def must_end() -> bool:
    """Whether SIGTERM came."""
    return bool(_told_to_end)
