"""Recipes of many examples at once, as arrays: those that RecipeDrawer draws one by one. Knows no tokens.

A task counts here by how many train and test pairs it has; what it is called and its grids stay with the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS, TRANSFORM_NAMES, Augmentation
from arc_pipeline.arc.augmentation.random_streams import Numbers, RandomStreams
from arc_pipeline.arc.augmentation.recipes import (
    DEMONSTRATIONS_WITHOUT_TEST,
    choose_pairs,
    draw_augmentation,
    generator,
    task_weight,
)
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import N_COLOURS, Pair, Task

PairCounts: TypeAlias = Numbers
NO_PAIR = -1
_NOTHING = Pair(((0,),), ((0,),))


@dataclass(frozen=True)
class Draws:
    """One row a draw: `choice` is a place in BatchDrawer's lists, `shown` has NO_PAIR after the last demonstration."""

    choice: Numbers
    shown: NDArray[np.int16]
    target: NDArray[np.int16]
    transform: NDArray[np.uint8]
    colours: NDArray[np.uint8]


@dataclass(frozen=True)
class _Sizes:
    """Of the task of each row: its train and test pairs, and how many demonstrations may be shown."""

    train: Numbers
    test: Numbers
    limit: Numbers

    def only(self, rows: NDArray[np.bool_]) -> "_Sizes":
        """The same, and no pairs in the other rows: those take no random numbers."""
        return _Sizes(self.train * rows, self.test * rows, self.limit)


class BatchDrawer:
    """Draws recipes from training data whose tasks have these numbers of (train, test) pairs, one row a task.

    `source` and `task` say of each choice which entry of `train` it is from, and its place in its dataset.
    """

    def __init__(
        self, train: Sequence[TrainingData], pairs: Mapping[str, PairCounts], config: AugmentationConfig, seed: int
    ) -> None:
        self._config, self._seed = config, seed
        usable = [np.flatnonzero(usable_rows(pairs[source.dataset], config)) for source in train]
        sizes = [len(tasks) for tasks in usable]
        self.source, self.task = np.repeat(np.arange(len(train)), sizes), np.concatenate(usable)
        self._pairs = np.concatenate([pairs[data.dataset][tasks] for data, tasks in zip(train, usable, strict=True)])
        weights = [task_weight(data, size) if size else 0.0 for data, size in zip(train, sizes, strict=True)]
        self._weights = np.cumsum(np.repeat(weights, sizes))

    def draw(self, examples: Numbers, attempts: Numbers) -> Draws:
        """The draws of these examples, each after as many attempts that were too long."""
        streams = RandomStreams(self._seed, attempts, examples)
        choice = np.searchsorted(self._weights, streams.random() * self._weights[-1], side="right")
        shown, target = self._chosen_pairs(streams, self._pairs[choice])
        colours = np.tile(np.array(IDENTITY_COLOURS, np.uint8), (len(choice), 1))
        transform = np.zeros(len(choice), np.uint8)
        if self._config.geometric:
            transform[:] = streams.below(np.full(len(choice), len(TRANSFORM_NAMES)))
        if self._config.colours:
            colours[:] = self._colours(streams)
        return Draws(choice, shown.astype(np.int16), target.astype(np.int16), transform, colours)

    def draw_alone(self, example: int, attempt: int = 0) -> tuple[int, tuple[int, ...], int, Augmentation]:
        """(choice, demonstrations, target, augmentation) of one draw, made as RecipeDrawer does."""
        rng = generator(self._seed, example, attempt)
        choice = int(np.searchsorted(self._weights, rng.random() * self._weights[-1], side="right"))
        n_train, n_test = self._pairs[choice]
        task = Task("", (_NOTHING,) * int(n_train), (_NOTHING,) * int(n_test))
        return choice, *choose_pairs(rng, task, self._config), draw_augmentation(rng, self._config)

    def _chosen_pairs(self, streams: RandomStreams, pairs: PairCounts) -> tuple[Numbers, Numbers]:
        """(demonstrations, targets), as `choose_pairs`."""
        n_train, n_test = pairs[:, 0], pairs[:, 1]
        limit = np.where(n_test > 0, n_train, DEMONSTRATIONS_WITHOUT_TEST)
        if self._config.max_demonstrations:
            limit[:] = self._config.max_demonstrations
        sizes = _Sizes(n_train, n_test, limit)
        shown, target = self._by_rule(streams, sizes)
        n_shown = (shown != NO_PAIR).sum(axis=1)
        if self._config.demonstration_order:
            shown = np.take_along_axis(shown, streams.permutation(n_shown), axis=1)
        return np.where(np.arange(shown.shape[1]) < limit[:, None], shown, NO_PAIR), target

    def _by_rule(self, streams: RandomStreams, sizes: _Sizes) -> tuple[Numbers, Numbers]:
        """Tasks without test pairs follow the rule `any`, whatever is declared."""
        if self._config.target == "any":
            return _any_pair(streams, sizes)
        has_test = sizes.test > 0
        shown, target = _any_pair(streams, sizes.only(~has_test))
        other_shown, other_target = _RULES[self._config.target](streams, sizes.only(has_test))
        width = max(shown.shape[1], other_shown.shape[1])
        shown, other_shown = _widened(shown, width), _widened(other_shown, width)
        return np.where(has_test[:, None], other_shown, shown), np.where(has_test, other_target, target)

    def _colours(self, streams: RandomStreams) -> Numbers:
        """As `draw_colour_map`."""
        moved = streams.random() < self._config.background_probability
        shuffled = streams.permutation(np.where(moved, N_COLOURS, N_COLOURS - 1))
        colours = np.zeros((len(moved), N_COLOURS), np.int64)
        colours[~moved, 1:] = shuffled[~moved, : N_COLOURS - 1] + 1
        colours[moved, : shuffled.shape[1]] = shuffled[moved]
        return colours


def most_shown(pairs: PairCounts, config: AugmentationConfig) -> int:
    """The most demonstrations that an example of such tasks can have."""
    limit = np.where(pairs[:, 1] > 0, pairs[:, 0], DEMONSTRATIONS_WITHOUT_TEST)
    if config.max_demonstrations:
        limit = np.minimum(pairs[:, 0], config.max_demonstrations)
    return int(limit.max(initial=0))


def usable_rows(pairs: PairCounts, config: AugmentationConfig) -> NDArray[np.bool_]:
    """Which tasks have the pairs that the target rule needs, as `usable_tasks`."""
    n_train, n_test = pairs[:, 0], pairs[:, 1]
    return np.where(config.target == "test-only", (n_train > 0) & (n_test > 0), n_train + n_test > 1)


def _any_pair(streams: RandomStreams, sizes: _Sizes) -> tuple[Numbers, Numbers]:
    n_pairs = sizes.train + sizes.test
    shuffled = streams.permutation(n_pairs)
    n_shown = np.minimum(np.minimum(sizes.limit, sizes.train), np.maximum(n_pairs - 1, 0))
    ahead = np.arange(shuffled.shape[1]) < n_shown[:, None]
    # those shown in ascending order, then what is no pair
    shown = np.sort(np.where(ahead, shuffled, np.iinfo(np.int64).max), axis=1)[:, : n_shown.max(initial=1)]
    shown[shown == np.iinfo(np.int64).max] = NO_PAIR
    return shown, shuffled[streams.every, n_shown]


def _test_pair(streams: RandomStreams, sizes: _Sizes) -> tuple[Numbers, Numbers]:
    return _train_pairs(sizes), sizes.train + streams.below(sizes.test)


def _legacy_swap(streams: RandomStreams, sizes: _Sizes) -> tuple[Numbers, Numbers]:
    target, test = streams.below(sizes.train), sizes.train + streams.below(sizes.test)
    shown = _train_pairs(sizes)
    shown[streams.every, target] = test
    return shown, target


def _widened(shown: Numbers, width: int) -> Numbers:
    return np.pad(shown, ((0, 0), (0, width - shown.shape[1])), constant_values=NO_PAIR)


def _train_pairs(sizes: _Sizes) -> Numbers:
    numbers = np.arange(sizes.train.max(initial=1))
    return np.where(numbers < sizes.train[:, None], numbers, NO_PAIR)


_RULES: dict[str, Callable[[RandomStreams, _Sizes], tuple[Numbers, Numbers]]] = {
    "any": _any_pair,
    "test-only": _test_pair,
    "legacy-swap": _legacy_swap,
}
