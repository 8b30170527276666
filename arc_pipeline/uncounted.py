"""The mark of code that changes no artefact. What reads it is `store.code_version`; at run time it does nothing."""

from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")


def uncounted(because: str, of: Collection[str] = ()) -> Callable[[T], T]:
    """Marks code that code versions leave out, of all assets or `of` those named: what it does changes none of them.

    A decorator of a function or class; a wrapper of a constant's value; or, as a statement of its own, the mark of a
    whole module, and in `__init__.py` of a package. `because` is for readers.
    """
    return lambda definition: definition
