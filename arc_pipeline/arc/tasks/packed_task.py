"""A task of a large corpus: its grids are bytes, and are made when they are looked at. Knows no files and no tables."""

from collections.abc import Iterator
from typing import Any

from arc_pipeline.arc.tasks.task import Grid, Pair, Task, shape

# a corpus of more pairs than this is packed: as Python objects it needs ten times the memory
UNPACKED_PAIRS = 20_000


class PackedTask(Task):
    """Equal to the task that was packed.

    n_train: the number of train pairs. shapes: two bytes for each grid, rows and columns, 0 and 0 for an output that is
    not known. cells: those of all grids, row by row. Grids are in the order of `Task.grids`.
    """

    n_train: int
    shapes: bytes
    cells: bytes

    def __new__(cls, task_id: str, train: tuple[Pair, ...], test: tuple[Pair, ...]) -> Any:
        """A task that is not packed: `dataclasses.replace` makes another of a few tasks."""
        return Task(task_id, train, test)

    @classmethod
    def from_bytes(cls, task_id: str, n_train: int, shapes: bytes, cells: bytes) -> "PackedTask":
        """A task of these bytes."""
        packed: PackedTask = object.__new__(cls)
        packed.__dict__.update(task_id=task_id, n_train=n_train, shapes=shapes, cells=cells)
        return packed

    @classmethod
    def of(cls, task: Task) -> "PackedTask":
        """The task, packed."""
        if isinstance(task, PackedTask):
            return task
        grids = list(task.grids())
        shapes = b"".join(bytes(shape(grid)) if grid else b"\0\0" for grid in grids)
        return cls.from_bytes(task.task_id, len(task.train), shapes, b"".join(bytes(row) for g in grids for row in g))

    def renamed(self, task_id: str) -> "PackedTask":
        """The same task under another id."""
        return PackedTask.from_bytes(task_id, self.n_train, self.shapes, self.cells)

    @property
    def n_pairs(self) -> int:
        """Train and test pairs."""
        return len(self.shapes) // 4

    @property
    def train(self) -> tuple[Pair, ...]:
        """The train pairs, made now."""
        return tuple(self._made(0, self.n_train))

    @property
    def test(self) -> tuple[Pair, ...]:
        """The test pairs, made now."""
        return tuple(self._made(self.n_train, self.n_pairs))

    def _made(self, first: int, end: int) -> Iterator[Pair]:
        shapes, begin = self.shapes, 0
        for grid in range(0, 4 * first, 2):
            begin += shapes[grid] * shapes[grid + 1]
        for pair in range(4 * first, 4 * end, 4):
            rows, columns = shapes[pair : pair + 2]
            middle = begin + rows * columns
            source = self._between(begin, middle, columns)
            rows, columns = shapes[pair + 2 : pair + 4]
            begin = middle + rows * columns
            yield Pair(source, self._between(middle, begin, columns))

    def _between(self, begin: int, end: int, columns: int) -> Grid:
        return tuple(tuple(self.cells[row : row + columns]) for row in range(begin, end, columns or 1))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedTask):
            return self.__dict__ == other.__dict__
        if isinstance(other, Task):
            return (self.task_id, self.train, self.test) == (other.task_id, other.train, other.test)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.task_id, self.train, self.test))

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedTask.from_bytes, (self.task_id, self.n_train, self.shapes, self.cells)


def renamed(task: Task, task_id: str) -> Task:
    """The same task under another id, packed if it was."""
    return task.renamed(task_id) if isinstance(task, PackedTask) else Task(task_id, task.train, task.test)
