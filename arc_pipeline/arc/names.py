"""Names of datasets and experiments: they are partition keys and parts of paths, so not every name will do."""

import difflib
import re
from collections.abc import Iterable

NAME_RULE = "a name has only letters, digits and _ . - (no dot first, no ..)"


def is_name(name: str) -> bool:
    """Whether `name` keeps NAME_RULE."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) is not None and ".." not in name


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known one that is most like it, nothing if none is."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def did_you_mean_or_all(word: str, known: Iterable[str]) -> str:
    """As `did_you_mean`, with all that is known where none is like it."""
    return did_you_mean(word, known) or f"; there are: {', '.join(sorted(known)) or 'none'}"
