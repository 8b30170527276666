"""The grids of many tasks in a few arrays, which processes share as files. Knows nothing of prompts or tokens."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.tasks.packed_task import PackedTask
from arc_pipeline.arc.tasks.task import Task


@dataclass(frozen=True)
class GridArrays:
    """Grid 2 p is the input of pair p, grid 2 p + 1 its output; pairs are in the order of tasks and of `Task.pairs`.

    pairs: (tasks, 2) train and test pairs of each task. first_pair: (tasks,) the number of its first one.
    shapes: (grids, 2) rows and columns. begins: (grids,) where the cells of each begin in `cells`, row by row.
    """

    pairs: NDArray[np.int64]
    first_pair: NDArray[np.int64]
    shapes: NDArray[np.uint8]
    begins: NDArray[np.int64]
    cells: NDArray[np.uint8]

    @classmethod
    def of(cls, tasks: Iterable[Task]) -> "GridArrays":
        """Those of tasks, which are looked at once, one after another."""
        pairs, shapes, cells = [], bytearray(), bytearray()
        for packed in map(PackedTask.of, tasks):
            pairs.append((packed.n_train, packed.n_pairs - packed.n_train))
            shapes += packed.shapes
            cells += packed.cells
        counts = np.array(pairs, np.int64).reshape(-1, 2)
        sides = np.frombuffer(shapes, np.uint8).reshape(-1, 2)
        ends = np.cumsum(sides[:, 0].astype(np.int64) * sides[:, 1])
        begins, n_pairs = np.concatenate([[0], ends])[:-1].astype(np.int64), counts.sum(axis=1)
        return cls(counts, np.cumsum(n_pairs) - n_pairs, sides, begins, np.frombuffer(cells, np.uint8))

    def grid(self, number: int) -> NDArray[np.uint8]:
        """(rows, columns) the cells of a grid."""
        rows, columns = int(self.shapes[number, 0]), int(self.shapes[number, 1])
        begin = int(self.begins[number])
        return self.cells[begin : begin + rows * columns].reshape(rows, columns)

    def all_shapes(self) -> list[tuple[int, int]]:
        """The different (rows, columns)."""
        sides = np.unique(self.shapes[:, 0].astype(np.int64) * 32 + self.shapes[:, 1])
        return [(int(side) // 32, int(side) % 32) for side in sides]

    def write(self, directory: Path) -> None:
        """Writes a file for each array."""
        for field in fields(self):
            np.save(directory / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def read(cls, directory: Path) -> "GridArrays":
        """Those of a directory; they stay in the files, and memory holds what is looked at."""
        return cls(*(np.load(directory / f"{field.name}.npy", mmap_mode="r") for field in fields(cls)))
