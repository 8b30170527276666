"""Templates of grids: the tokens that all grids of one shape have in common. Knows an encoder and the ids of texts.

They are read off two blank grids of each shape and tried on random ones, so a tokenizer that merges cells is refused.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import MAX_SIDE, N_COLOURS, Grid
from arc_pipeline.errors import ArcPipelineError

Shape: TypeAlias = tuple[int, int]
Ids: TypeAlias = NDArray[np.int64]
Encode: TypeAlias = Callable[[list[str]], list[list[int]]]

CELL, NOTHING = -1, -2
ALL_SHAPES = [(rows, columns) for rows in range(1, MAX_SIDE + 1) for columns in range(1, MAX_SIDE + 1)]
TRIED_GRIDS = 24


@dataclass(frozen=True)
class Templates:
    """`cells`: the tokens of the ten colours; `symbols`: a row for each shape: ids, CELL, NOTHING after the end."""

    cells: tuple[int, ...]
    symbols: Ids

    @classmethod
    def read(cls, encoder: GridEncoder, encode: Encode, end: int, shapes: Sequence[Shape]) -> "Templates":
        """The templates of an encoder's texts; ArcPipelineError if a tokenizer merges cells."""
        templates = cls(_cells(encoder, encode), _symbols(encoder, encode, end, shapes))
        templates._try(encoder, encode, shapes)
        return templates

    def _try(self, encoder: GridEncoder, encode: Encode, known: Sequence[Shape]) -> None:
        """Grids of many colours must have the tokens that the templates say."""
        rng = random.Random(0)
        shapes = [*rng.choices(known, k=TRIED_GRIDS), known[-1]]
        grids = [
            tuple(tuple(rng.choices(range(N_COLOURS), k=columns)) for _ in range(rows)) for rows, columns in shapes
        ]
        for shape, grid, ids in zip(shapes, grids, encode([encoder.encode(grid) for grid in grids]), strict=True):
            template = self.symbols[known.index(shape)].copy()
            template[template == CELL] = [self.cells[colour] for row in grid for colour in row]
            if template[: len(ids)].tolist() != ids:
                raise _unusable(encoder)


def _blank(shape: Shape, colour: int) -> Grid:
    return ((colour,) * shape[1],) * shape[0]


def _cells(encoder: GridEncoder, encode: Encode) -> tuple[int, ...]:
    """The tokens of the ten colours as cells."""
    texts = encode([encoder.encode(_blank((2, 3), colour)) for colour in range(N_COLOURS)])
    if len({len(text) for text in texts}) > 1:
        raise _unusable(encoder)
    columns = [place for place in zip(*texts, strict=True) if len(set(place)) > 1]
    if len(columns) != 6 or len(set(columns)) != 1 or len(set(columns[0])) != N_COLOURS:
        raise _unusable(encoder)
    return columns[0]


def _symbols(encoder: GridEncoder, encode: Encode, end: int, shapes: Sequence[Shape]) -> Ids:
    """(shapes, longest) the symbols of every shape."""
    black, blue = (encode([encoder.encode(_blank(shape, colour)) for shape in shapes]) for colour in (0, 1))
    symbols = np.full((len(shapes), max(map(len, black)) + 1), NOTHING, dtype=np.int64)
    for row, first, second in zip(symbols, black, blue, strict=True):
        if len(first) != len(second):
            raise _unusable(encoder)
        row[: len(first)] = np.where(np.equal(first, second), first, CELL)
        row[len(first)] = end
    free = (symbols == CELL).sum(axis=1)
    if free.tolist() != [rows * columns for rows, columns in shapes]:
        raise _unusable(encoder)
    return symbols


def _unusable(encoder: GridEncoder) -> ArcPipelineError:
    return ArcPipelineError(
        f"predict.constrain: the model's tokenizer does not give every cell of {encoder!r} a token of its own, so "
        "decoding cannot be constrained to valid grids; set predict: {constrain: false}, or train with a grid_encoder "
        "that keeps cells apart: GridWithSeparationEncoder(' ')"
    )
