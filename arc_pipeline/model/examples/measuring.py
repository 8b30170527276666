"""Lengths and hashes of the tokens of drawn examples, without their text. Knows codes and grids, no tokenizer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.augmentation.batch_draws import NO_PAIR, Draws
from arc_pipeline.arc.augmentation.recipes import Measure, Recipe
from arc_pipeline.arc.tasks.grid_arrays import GridArrays
from arc_pipeline.arc.tasks.task import N_COLOURS, Task
from arc_pipeline.model.examples.grid_codes import TURNS, GridCodes

# bytes of grids whose codes are kept, with what Python needs for each
CACHE_BYTES, BYTES_OF_AN_ENTRY = 64 << 20, 150


@dataclass
class ExampleMeasure:
    """What tells the tokens of draws.

    Of each choice, `first_pair` is its task's first pair among the grids, and `source` the place of its prompt.
    """

    codes: GridCodes
    grids: GridArrays
    first_pair: NDArray[np.int64]
    source: NDArray[np.int64]
    prompts: Sequence[str]
    _kept: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _kept_bytes: int = 0

    def ids(self, draws: Draws, row: int) -> list[int]:
        """The tokens of one draw."""
        table = self._tables(draws.colours[row : row + 1])[0]
        tokens: list[int] = table[np.frombuffer(self._coded(draws, row), np.uint8)].tolist()
        return tokens

    def measure(self, draws: Draws) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """(the number of tokens of each draw, the hashes of their ids), as `tokenization.measured_by` gives them."""
        lengths, digests = np.zeros(len(draws.choice), np.int32), bytearray()
        buffer, hashed = np.empty(0, "<u4"), hashlib.blake2b
        for row, table in enumerate(self._tables(draws.colours)):
            coded = self._coded(draws, row)
            lengths[row] = length = len(coded)
            if length > len(buffer):
                buffer = np.empty(2 * length, "<u4")
            ids = buffer[:length]
            # nothing is out of range, and without that check it is faster
            table.take(np.frombuffer(coded, np.uint8), out=ids, mode="clip")
            digests += hashed(ids, digest_size=8).digest()
        hashes = np.frombuffer(digests, ">u8") >> np.uint64(1)
        return lengths, hashes.astype(np.int64)

    def _tables(self, colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """(draws, codes) the token of every code."""
        ids = np.array(self.codes.ids, "<u4")
        tables = np.tile(ids, (len(colours), 1))
        tables[:, :N_COLOURS] = ids[:N_COLOURS][colours]
        return tables

    def _coded(self, draws: Draws, row: int) -> bytes:
        """The codes of one draw."""
        choice, turn = int(draws.choice[row]), int(draws.transform[row])
        first, shown = int(self.first_pair[choice]), draws.shown[row].tolist()
        shown = shown[: shown.index(NO_PAIR)] if NO_PAIR in shown else shown
        layout = self.codes.layouts[self.prompts[self.source[choice]], len(shown)]
        pairs = [*shown, int(draws.target[row])]
        parts = [layout.glue[0]]
        for glue, (place, part) in zip(layout.glue[1:], layout.grids, strict=True):
            parts += (self._core(2 * (first + pairs[place]) + part, turn), glue)
        return b"".join(parts)

    def _core(self, grid: int, turn: int) -> bytes:
        """The codes of a turned grid; those that were needed lately are kept."""
        if core := self._kept.get((grid, turn)):
            return core
        core = self.codes.core(TURNS[turn](self.grids.grid(grid)))
        if self._kept_bytes > CACHE_BYTES:
            self._kept.clear()
            self._kept_bytes = 0
        self._kept[grid, turn] = core
        self._kept_bytes += len(core) + BYTES_OF_AN_ENTRY
        return core


def measured_with(codes: GridCodes) -> Measure:
    """What tells the number of tokens of any recipe whose grids and prompt have codes, and the hash of their ids."""
    # the task is kept with its arrays, so that no other one has its address
    known: dict[int, tuple[Task, GridArrays]] = {}

    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        if id(task) not in known:
            known[id(task)] = (task, GridArrays.of([task]))
        one = np.zeros(1, np.int64)
        draws = Draws(
            one,
            np.array([[*recipe.demonstrations, NO_PAIR]], np.int16),
            np.array([recipe.target], np.int16),
            np.array([TRANSFORM_NAMES.index(recipe.augmentation.transform)], np.uint8),
            np.array([recipe.augmentation.colour_map], np.uint8),
        )
        lengths, hashes = ExampleMeasure(codes, known[id(task)][1], one, one, [recipe.prompt]).measure(draws)
        return int(lengths[0]), int(hashes[0])

    return measure
