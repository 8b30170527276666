"""The time zone of this machine, by the name that calendars know."""

import os
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

ZONES = "zoneinfo/"


def time_zone() -> str:
    """Such as `Europe/Madrid`; `UTC` where the machine does not say it."""
    return next((name for name in _named() if _is_zone(name)), "UTC")


def _named() -> Iterator[str]:
    yield os.environ.get("TZ", "").removeprefix(":")
    link = Path("/etc/localtime")
    if link.is_symlink():
        yield str(link.resolve()).rpartition(ZONES)[2]
    if (file := Path("/etc/timezone")).is_file():
        yield file.read_text().strip()


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and bool(ZoneInfo(name))
    except (ValueError, OSError, KeyError):  # absolute, a directory, or unknown
        return False
