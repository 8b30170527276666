"""Augmentations of grids: geometric transforms and colour permutations, with exact inverses.

Knows nothing of tasks or prompts; randomness comes only through the generator that is passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arc_pipeline.arc.tasks.task import N_COLOURS, Grid
from arc_pipeline.uncounted import uncounted

uncounted("the hash of the tokens, which the table of examples has, covers how they are rendered", of=("checkpoint",))

IDENTITY_COLOURS = tuple(range(N_COLOURS))


def _transpose(grid: Grid) -> Grid:
    return tuple(zip(*grid, strict=True))


def _flip_rows(grid: Grid) -> Grid:
    return grid[::-1]


def _flip_columns(grid: Grid) -> Grid:
    return tuple(row[::-1] for row in grid)


TRANSFORMS: dict[str, Callable[[Grid], Grid]] = {
    "identity": lambda grid: grid,
    "rotate_90": lambda grid: _transpose(_flip_rows(grid)),
    "rotate_180": lambda grid: _flip_rows(_flip_columns(grid)),
    "rotate_270": lambda grid: _flip_rows(_transpose(grid)),
    "flip_rows": _flip_rows,
    "flip_columns": _flip_columns,
    "transpose": _transpose,
    "anti_transpose": lambda grid: _flip_rows(_flip_columns(_transpose(grid))),
}
INVERSES = {name: name for name in TRANSFORMS} | {"rotate_90": "rotate_270", "rotate_270": "rotate_90"}
TRANSFORM_NAMES = tuple(TRANSFORMS)


@dataclass(frozen=True)
class Augmentation:
    """A geometric transform and a colour map (colour c becomes `colour_map[c]`)."""

    transform: str = "identity"
    colour_map: tuple[int, ...] = IDENTITY_COLOURS

    def apply(self, grid: Grid) -> Grid:
        """The augmented grid."""
        return _recolour(TRANSFORMS[self.transform](grid), self.colour_map)

    def invert(self, grid: Grid) -> Grid:
        """The grid that `apply` turns into `grid`."""
        inverse = tuple(self.colour_map.index(colour) for colour in range(N_COLOURS))
        return TRANSFORMS[INVERSES[self.transform]](_recolour(grid, inverse))


def _recolour(grid: Grid, colour_map: tuple[int, ...]) -> Grid:
    if colour_map == IDENTITY_COLOURS:
        return grid
    return tuple(tuple(colour_map[colour] for colour in row) for row in grid)


def draw_transform(rng: np.random.Generator) -> str:
    """One of the 8 transforms, uniformly."""
    return TRANSFORM_NAMES[int(rng.integers(len(TRANSFORM_NAMES)))]


def draw_colour_map(rng: np.random.Generator, background_probability: float) -> tuple[int, ...]:
    """A uniform permutation of the colours; the background 0 takes part only with the given probability."""
    first = 0 if rng.random() < background_probability else 1
    return (*range(first), *(int(colour) for colour in first + rng.permutation(N_COLOURS - first)))
