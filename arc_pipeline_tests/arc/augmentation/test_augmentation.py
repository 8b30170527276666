"""Augmentations have exact inverses, the transforms are the symmetries of the square, draws are as declared."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arc_pipeline.arc.augmentation.augmentation import (
    INVERSES,
    TRANSFORM_NAMES,
    TRANSFORMS,
    Augmentation,
    draw_colour_map,
    draw_transform,
)
from arc_pipeline.arc.tasks.task import Grid, shape

ASYMMETRIC: Grid = ((1, 2, 3), (4, 5, 6))
N_DRAWS = 4000

cells = arrays("int8", array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 9))
grids = cells.map(lambda array: tuple(map(tuple, array.tolist())))
augmentations = st.builds(Augmentation, st.sampled_from(TRANSFORM_NAMES), st.permutations(range(10)).map(tuple))


@given(augmentations, grids)
def test_inversion_is_exact_both_ways(augmentation: Augmentation, grid: Grid) -> None:
    assert augmentation.invert(augmentation.apply(grid)) == grid
    assert augmentation.apply(augmentation.invert(grid)) == grid


@given(augmentations, grids)
def test_cells_are_neither_lost_nor_made(augmentation: Augmentation, grid: Grid) -> None:
    applied = augmentation.apply(grid)
    assert sorted(shape(applied)) == sorted(shape(grid))
    recoloured = [augmentation.colour_map[colour] for row in grid for colour in row]
    assert Counter(colour for row in applied for colour in row) == Counter(recoloured)


@given(grids)
def test_the_default_changes_nothing(grid: Grid) -> None:
    assert Augmentation().apply(grid) == grid


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("identity", ((1, 2, 3), (4, 5, 6))),
        ("rotate_90", ((4, 1), (5, 2), (6, 3))),
        ("rotate_180", ((6, 5, 4), (3, 2, 1))),
        ("rotate_270", ((3, 6), (2, 5), (1, 4))),
        ("flip_rows", ((4, 5, 6), (1, 2, 3))),
        ("flip_columns", ((3, 2, 1), (6, 5, 4))),
        ("transpose", ((1, 4), (2, 5), (3, 6))),
        ("anti_transpose", ((6, 3), (5, 2), (4, 1))),
    ],
)
def test_transforms_by_hand(transform: str, expected: Grid) -> None:
    assert TRANSFORMS[transform](ASYMMETRIC) == expected


def test_the_transforms_are_a_group() -> None:
    results = {name: transform(ASYMMETRIC) for name, transform in TRANSFORMS.items()}
    assert len(TRANSFORM_NAMES) == len(set(results.values())) == 8
    for first, second in product(TRANSFORM_NAMES, repeat=2):
        assert TRANSFORMS[second](results[first]) in results.values()
    assert all(TRANSFORMS[INVERSES[name]](grid) == ASYMMETRIC for name, grid in results.items())


def test_a_colour_map_names_what_each_colour_becomes() -> None:
    augmentation = Augmentation("identity", (0, 2, 1, *range(3, 10)))
    assert augmentation.apply(ASYMMETRIC) == ((2, 1, 3), (4, 5, 6))


# --- draws


def draws(background_probability: float) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(0)
    return [draw_colour_map(rng, background_probability) for _ in range(N_DRAWS)]


def test_transforms_are_drawn_alike() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(draw_transform(rng) for _ in range(N_DRAWS))
    assert set(counts) == set(TRANSFORM_NAMES)
    assert all(count == pytest.approx(N_DRAWS / 8, abs=100) for count in counts.values())  # 4.8 standard deviations


@pytest.mark.parametrize(("probability", "kept"), [(0.0, 1.0), (0.1, 0.91), (0.5, 0.55), (1.0, 0.1)])
def test_the_background_is_kept_with_the_declared_probability(probability: float, kept: float) -> None:
    maps = draws(probability)
    assert all(sorted(colour_map) == list(range(10)) for colour_map in maps)
    share = sum(colour_map[0] == 0 for colour_map in maps) / N_DRAWS
    assert share == pytest.approx(kept, abs=0.04 * (0 < kept < 1))


def test_every_colour_goes_everywhere_alike() -> None:
    maps = draws(0.0)
    for colour in range(1, 10):
        counts = Counter(colour_map[colour] for colour_map in maps)
        assert set(counts) == set(range(1, 10))
        assert max(counts.values()) - min(counts.values()) < 0.5 * N_DRAWS / 9


def test_draws_depend_on_the_generator_alone() -> None:
    assert draws(0.1) == draws(0.1)
