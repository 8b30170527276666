"""Which tasks are equal, whatever they are called: exactly, or up to the 8 transforms and a permutation of the colours.

A task counts as the question that it asks: the order of pairs and the outputs of test pairs do not matter, for a copy
without solutions is still the same task. Knows nothing of files or of training.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from arc_pipeline.arc.tasks.task import Grid, Task

Cells = npt.NDArray[np.uint8]
# the grids of one pair, the input alone for a test pair
Part = tuple[str, tuple[Cells, ...]]

TURNS: tuple[Callable[[Cells], Cells], ...] = (
    *(lambda cells, k=k: np.rot90(cells, k) for k in range(4)),
    *(lambda cells, k=k: np.rot90(cells.T, k) for k in range(4)),
)
# of orders of pairs that nothing but their colours tells apart, how many are tried
MOST_ORDERS = 64


def exact_fingerprint(task: Task) -> bytes:
    """Equal for tasks with the same pairs, in any order."""
    return _digest(sorted(_label(role) + _form(grids, {}, keep=True)[0] for role, grids in _parts(task)))


def fingerprint(task: Task) -> bytes:
    """Equal for tasks that one of the 8 transforms and one permutation of the colours turn into each other."""
    return _digest([min(_canonical(_turned(task, turn)) for turn in TURNS)])


def equal_tasks(tasks: Sequence[Task]) -> dict[str, bytes]:
    """The fingerprint of each task that another one is equal to, up to augmentation, by its id."""
    alike: dict[object, list[Task]] = {}
    for task in tasks:
        alike.setdefault(_shapes(task), []).append(task)
    counted: dict[object, list[Task]] = {}
    for task in (task for group in alike.values() if len(group) > 1 for task in group):
        counted.setdefault(_counts(task), []).append(task)
    forms: dict[bytes, list[Task]] = {}
    for task in (task for group in counted.values() if len(group) > 1 for task in group):
        forms.setdefault(fingerprint(task), []).append(task)
    return {task.task_id: form for form, group in forms.items() if len(group) > 1 for task in group}


def _parts(task: Task) -> Iterator[Part]:
    for pair in task.train:
        yield "train", (_cells(pair.input), _cells(pair.output))
    for pair in task.test:
        yield "test", (_cells(pair.input),)


def _cells(grid: Grid) -> Cells:
    return np.array(grid, np.uint8)


def _turned(task: Task, turn: Callable[[Cells], Cells]) -> list[Part]:
    return [(role, tuple(turn(grid) for grid in grids)) for role, grids in _parts(task)]


def _shapes(task: Task) -> tuple[object, ...]:
    """No augmentation changes it, and it costs next to nothing."""
    train = ((len(pair.input), len(pair.input[0]), len(pair.output), len(pair.output[0])) for pair in task.train)
    test = ((len(pair.input), len(pair.input[0])) for pair in task.test)
    return tuple(sorted(map(_turned_least, train))), tuple(sorted(map(_turned_least, test)))


def _turned_least(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Rows and columns, or columns and rows if that is less."""
    exchanged = tuple(sides[place ^ 1] for place in range(len(sides)))
    return min(sides, exchanged)


def _counts(task: Task) -> tuple[object, ...]:
    """No augmentation changes how often the colours of a pair occur, whichever they are."""
    counts = [
        (role, tuple(sorted(zip(*(np.bincount(grid.ravel(), minlength=10).tolist() for grid in grids), strict=True))))
        for role, grids in _parts(task)
    ]
    return tuple(sorted(counts))


def _canonical(parts: Sequence[Part]) -> bytes:
    """The form of the pairs in one orientation, whatever their order and colours are."""
    groups: dict[bytes, list[Part]] = {}
    for part in parts:
        groups.setdefault(_label(part[0]) + _form(part[1], {})[0], []).append(part)
    return b"".join(form for group in _walked([groups[key] for key in sorted(groups)], {}) for form in group)


def _walked(groups: Sequence[Sequence[Part]], colours: dict[int, int]) -> list[list[bytes]]:
    """The forms of the groups one after another, the colours numbered by their first occurrence over all of them."""
    states: list[tuple[list[list[bytes]], dict[int, int]]] = [([], colours)]
    for group in groups:
        following = [
            ([*done, forms], after) for done, before in states for forms, after in _ordered(list(group), before)
        ]
        best = min(done[-1] for done, _ in following)
        # those whose colours differ may differ later
        unique = {tuple(sorted(after.items())): (done, after) for done, after in following if done[-1] == best}
        states = [unique[key] for key in sorted(unique)][:MOST_ORDERS]
    return min(done for done, _ in states)


def _ordered(group: list[Part], colours: dict[int, int]) -> list[tuple[list[bytes], dict[int, int]]]:
    """The smallest forms of a group in some order, with the numbers of the colours after it; all that are as small."""
    states: list[tuple[list[bytes], dict[int, int], list[Part]]] = [([], colours, group)]
    for _ in group:
        following: dict[object, tuple[list[bytes], dict[int, int], list[Part]]] = {}
        for forms, known, left in states:
            tried = [(*_form(part[1], known), place) for place, part in enumerate(left)]
            smallest = min(form for form, _, _ in tried)
            for form, after, place in tried:
                if form == smallest:
                    rest = left[:place] + left[place + 1 :]
                    # with the same colours known, those with the same form can be taken in any order
                    following.setdefault(((*forms, form), tuple(sorted(after.items()))), ([*forms, form], after, rest))
        best = min(forms for forms, _, _ in following.values())
        states = [state for state in following.values() if state[0] == best][:MOST_ORDERS]
    return [(forms, known) for forms, known, _ in states]


def _form(grids: Sequence[Cells], colours: dict[int, int], keep: bool = False) -> tuple[bytes, dict[int, int]]:
    """(shapes and cells, the numbers of the colours): colours are numbered by first occurrence, known ones as known."""
    shapes = bytes(side for grid in grids for side in grid.shape)
    cells = b"".join(np.ascontiguousarray(grid).tobytes() for grid in grids)
    if keep:
        return shapes + cells, colours
    known = dict(colours)
    for colour in dict.fromkeys(cells):
        if colour not in known:
            known[colour] = len(known)
    return shapes + cells.translate(bytes(known.get(value, 0) for value in range(256))), known


def _label(role: str) -> bytes:
    return role.encode() + b":"


def _digest(forms: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for form in forms:
        digest.update(len(form).to_bytes(4, "big") + form)
    return digest.digest()
