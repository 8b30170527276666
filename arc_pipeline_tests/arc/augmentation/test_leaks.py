"""Leaks planted in 200 random corpora: each is found by its kind, and none is found where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES, Augmentation
from arc_pipeline.arc.augmentation.contamination import Seen, evaluation_pairs_are_not_in_training
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

pytestmark = pytest.mark.drill
CORPORA = 200
PLANTS = ("nothing", "task", "demonstrations", "test pair", "test pair as a demonstration", "id", "test inputs")


class Corpus:
    """Random tasks, of which those that are asked may have something in common with those that are trained on."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.number = 0

    def grid(self) -> Grid:
        sides = self.rng.integers(3, 8, size=2)
        return tuple(map(tuple, self.rng.integers(0, 10, size=sides).tolist()))

    def pair(self) -> Pair:
        return Pair(self.grid(), self.grid())

    def task(self, train: tuple[Pair, ...] | None = None, test: tuple[Pair, ...] | None = None) -> Task:
        self.number += 1
        shown, asked = (int(number) for number in self.rng.integers((2, 1), (5, 3)))
        train = train or tuple(self.pair() for _ in range(shown))
        return Task(f"task{self.number}", train, test or tuple(self.pair() for _ in range(asked)))

    def shuffled(self, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(pairs[int(index)] for index in self.rng.permutation(len(pairs)))

    def disguise(self, task: Task) -> Task:
        """The task under a transform and a permutation of all colours, neither of which leaves it as it is."""
        transform = TRANSFORM_NAMES[int(self.rng.integers(1, len(TRANSFORM_NAMES)))]
        augmentation = Augmentation(transform, tuple(int(colour) for colour in self.rng.permutation(10)))
        train, test = (
            tuple(Pair(augmentation.apply(pair.input), augmentation.apply(pair.output)) for pair in pairs)
            for pairs in (task.train, task.test)
        )
        return replace(task, train=train, test=test)

    def planted(self, asked: Task, plant: str) -> Task:
        """A task to train on that has this in common with one that is asked."""
        if plant == "task":
            return self.task(self.shuffled(asked.train), self.shuffled(asked.test))
        if plant == "demonstrations":
            return self.task(self.shuffled(asked.train))
        if plant == "test pair":
            return self.task(test=(self.pair(), *asked.test))
        if plant == "test pair as a demonstration":
            return self.task(train=(self.pair(), *asked.test, self.pair()))
        if plant == "test inputs":
            return self.task(test=tuple(Pair(pair.input, self.grid()) for pair in asked.test))
        return self.task()


FOUND = {"task": "same task", "demonstrations": "same demonstrations", "id": "same id, other content"}


@pytest.mark.parametrize("seed", range(CORPORA))
def test_each_leak_is_found_by_its_kind(seed: int) -> None:
    corpus = Corpus(seed)
    trained: dict[str, list[Task]] = {"first": [], "second": []}
    asked: dict[str, list[Task]] = {"asked": [], "validation": []}
    expected, shared = set(), set()
    for number in range(12):
        dataset = ("asked", "validation")[number % 2]
        task, plant = corpus.task(), PLANTS[int(corpus.rng.integers(len(PLANTS)))]
        asked[dataset].append(task)
        other, exactly = corpus.planted(task, plant), bool(corpus.rng.integers(2))
        if plant == "id":
            other, exactly = replace(other, task_id=task.task_id), True
        elif not exactly:
            other = corpus.disguise(other)
        place = ("first", "second")[int(corpus.rng.integers(2))]
        trained[place] += [corpus.task(), other, corpus.task()]
        if plant in FOUND:
            expected.add((dataset, task.task_id, FOUND[plant], exactly, place, other.task_id))
        if plant in ("task", "test pair", "test pair as a demonstration"):
            is_test = plant != "test pair as a demonstration"
            shared |= {
                (dataset, task.task_id, k, place, other.task_id, is_test, exactly) for k in range(len(task.test))
            }
    seen = Seen.of(trained, asked)
    keys = ("dataset", "task_id", "match", "exactly", "trained_dataset", "trained_task_id")
    assert {tuple(row[key] for key in keys) for row in seen.matches.to_pylist()} == expected
    keys = ("dataset", "task_id", "test_index", "trained_dataset", "trained_task_id", "trained_is_test", "exactly")
    assert {tuple(row[key] for key in keys) for row in seen.shared.to_pylist()} == shared
    harmless = all(match == "same id, other content" for _, _, match, *_ in expected) and not shared
    assert evaluation_pairs_are_not_in_training(asked, seen).passed == harmless
    # the same questions without their answers: the inputs alone tell the same
    hidden = {name: [without_outputs(task) for task in tasks] for name, tasks in asked.items()}
    found = {(row["task_id"], row["match"]) for row in Seen.of(trained, hidden).matches.to_pylist()}
    assert {(task, match) for _, task, match, *_ in expected} <= found


def without_outputs(task: Task) -> Task:
    return replace(task, test=tuple(Pair(pair.input, ()) for pair in task.test))
