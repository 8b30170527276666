"""Draws of many examples at once are those that RecipeDrawer makes one by one, whatever is declared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES, Augmentation
from arc_pipeline.arc.augmentation.batch_draws import NO_PAIR, BatchDrawer, most_shown
from arc_pipeline.arc.augmentation.random_streams import RandomStreams
from arc_pipeline.arc.augmentation.recipes import Recipe, RecipeDrawer, generator
from arc_pipeline.arc.rendering.prompt import GENERATE, SOLVE
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Pair, Task

PAIR = Pair(((1,),), ((1,),))
EXAMPLES = 40
configs = st.builds(
    AugmentationConfig,
    geometric=st.booleans(),
    colours=st.booleans(),
    background_probability=st.sampled_from([0.0, 0.1, 0.7, 1.0]),
    demonstration_order=st.booleans(),
    max_demonstrations=st.sampled_from([None, 1, 2, 3, 2**63 - 1]),
    target=st.sampled_from(["any", "legacy-swap", "test-only"]),
)
sizes = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), min_size=1, max_size=5)
sources = st.lists(
    st.builds(
        TrainingData,
        dataset=st.sampled_from("ab"),
        prompt=st.sampled_from([SOLVE, GENERATE]),
        weight=st.sampled_from([None, 0.5, 3.0]),
    ),
    min_size=1,
    max_size=3,
)


def made(name: str, counts: list[tuple[int, int]]) -> list[Task]:
    return [Task(f"{name}{i}", (PAIR,) * train, (PAIR,) * test) for i, (train, test) in enumerate(counts)]


# a task of each dataset that every rule can use
@given(configs, sources, sizes, sizes, st.integers(0, 2**63 - 1), st.integers(0, 10**12))
def test_draws_at_once_are_those_one_by_one(
    config: AugmentationConfig,
    train: list[TrainingData],
    of_a: list[tuple[int, int]],
    of_b: list[tuple[int, int]],
    seed: int,
    first: int,
) -> None:
    counts = {"a": [*of_a, (3, 1)], "b": [(2, 2), *of_b]}
    tasks = {name: made(name, of_dataset) for name, of_dataset in counts.items()}
    plain = RecipeDrawer(train, tasks, config, seed)
    pairs = {name: np.array(of_dataset) for name, of_dataset in counts.items()}
    drawer = BatchDrawer(train, pairs, config, seed)
    examples, attempts = first + np.arange(EXAMPLES), np.arange(EXAMPLES) % 3
    draws = drawer.draw(examples, attempts)
    for row in range(EXAMPLES):
        source = train[drawer.source[draws.choice[row]]]
        task = tasks[source.dataset][drawer.task[draws.choice[row]]]
        colours = tuple(draws.colours[row].tolist())
        shown = tuple(pair for pair in draws.shown[row].tolist() if pair != NO_PAIR)
        augmentation = Augmentation(TRANSFORM_NAMES[draws.transform[row]], colours)
        recipe = Recipe(source.dataset, task.task_id, source.prompt, augmentation, shown, int(draws.target[row]))
        assert (recipe, task) == plain.draw(int(examples[row]), int(attempts[row]))
        alone = drawer.draw_alone(int(examples[row]), int(attempts[row]))
        assert alone == (draws.choice[row], shown, recipe.target, augmentation)
        assert len(shown) <= max(most_shown(pairs[data.dataset], config) for data in train)


@pytest.mark.parametrize("calls", [["permutation", "random"], ["below", "permutation", "random", "permutation"]])
def test_numbers_are_those_of_numpy_call_by_call(calls: list[str]) -> None:
    """Also where a draw is rejected and made again: half of those of a permutation of 9 are, in some places."""
    examples, attempts = np.arange(200), np.arange(200) % 2
    streams = RandomStreams(7, attempts, examples)
    generators = [generator(7, int(example), int(attempt)) for example, attempt in zip(examples, attempts, strict=True)]
    n = examples % 9 + 1
    for _ in range(3):
        for call in calls:
            if call == "random":
                assert streams.random().tolist() == [each.random() for each in generators]
            elif call == "below":
                assert streams.below(n).tolist() == [
                    each.integers(int(bound)) for each, bound in zip(generators, n, strict=True)
                ]
            else:
                shuffled = streams.permutation(n)
                for row, each in enumerate(generators):
                    assert shuffled[row, : n[row]].tolist() == each.permutation(int(n[row])).tolist()


def test_a_rejected_number_below_a_bound_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = RandomStreams(7, np.zeros(1, np.int64), np.zeros(1, np.int64))
    halves = iter([0, 2**31])  # numpy rejects 0 for a bound of 3: the 2**32 halves are no multiple of it
    monkeypatch.setattr(streams, "_next_halves", lambda rows: np.array([next(halves)], np.uint64))
    assert streams.below(np.array([3])).tolist() == [1]
