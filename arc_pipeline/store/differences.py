"""Two nested configs compared field by field, in words. Knows JSON-like values, not what any field means."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

SHOWN_AT_MOST = 60
CONTEXT = 15


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line a field that differs: `max_steps: 300 -> 600`, `train.0.dataset: 'a' -> 'b'`, `x: (absent) -> 3`.

    Lists are compared element by element if they are equally long, otherwise as a whole.
    """
    return [f"{path}: {_words(before, after)}" for path, before, after in _changes("", old, new)]


def _changes(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(_join(path, key), old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(_join(path, number), before, after)
    elif _text(old) != _text(new):
        yield path, old, new


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _text(value: Any) -> str:
    """Versions are hashes of JSON, where 1, 1.0 and true differ: so they differ here."""
    return json.dumps(value, sort_keys=True, default=repr)


def _words(old: Any, new: Any) -> str:
    before, after = repr(old), repr(new)
    shown = [_from_start(each) for each in (before, after)]
    if shown[0] == shown[1]:
        # the difference lies beyond what is shown: start a little before it
        parted = max(0, _common_start(before, after) - CONTEXT)
        shown = [_from_start(f"...{each[parted:]}") for each in (before, after)]
    return " -> ".join(shown)


def _common_start(a: str, b: str) -> int:
    return next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _from_start(text: str) -> str:
    return text if len(text) <= SHOWN_AT_MOST else text[: SHOWN_AT_MOST - 3] + "..."
