"""Names of datasets and experiments: they are partition keys and parts of paths, so not every name will do."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence

from arc_pipeline.uncounted import uncounted

NAME_RULE = "a name has only letters, digits and _ . - (no dot first, no ..)"
LONGEST_PART = 80
MOST_NAMES = 10


def is_name(name: str) -> bool:
    """Whether `name` keeps NAME_RULE."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) is not None and ".." not in name


@uncounted("words of an error")
def did_you_mean(word: str, known: Iterable[str], at_most: int = 1) -> str:
    """The end of a message about an unknown word: the known ones that are most like it, nothing if none is."""
    close = difflib.get_close_matches(word, sorted(set(known)), n=at_most)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


@uncounted("words of an error")
def did_you_mean_or_all(word: str, known: Iterable[str]) -> str:
    """As `did_you_mean`, with what is known where none is like it."""
    return did_you_mean(word, known) or f"; there are: {listed(sorted(known)) or 'none'}"


@uncounted("words of an error")
def listed(names: Sequence[str]) -> str:
    """As many names as are read, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def file_name(text: str) -> str:
    """A text as part of the name of a file: itself where that is plain, else made plain, with a hash of it so that no
    two are alike, whatever a file system thinks of case."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:LONGEST_PART]
    if text and plain == text == plain.lower():
        return text
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
