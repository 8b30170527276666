"""Views of a test pair, and its candidates as answers under each: what a model gives the probabilities of.

All candidates of a test pair are compared under the same views. Knows nothing of models: prompt and answers are texts.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.augmentation.augmentation import IDENTITY_COLOURS, TRANSFORM_NAMES, Augmentation, draw_colour_map
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.evaluation.voting import PairKey, grids, pair_keys
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.store.artefact import hash_json


@dataclass(frozen=True)
class View:
    """A test pair as one prompt, and how its candidates are written as answers to it, in their order."""

    dataset: str
    task: Task
    test_index: int
    number: int
    recipe: Recipe
    prompt: str
    answers: tuple[str, ...]


def distinct_grids(predictions: pa.Table) -> dict[PairKey, list[Grid]]:
    """The decoded grids of every test pair, each once, in the order of their first candidates."""
    found: dict[PairKey, dict[Grid, None]] = {}
    ordered = predictions.sort_by("candidate_index")
    for key, grid in zip(pair_keys(ordered), grids(ordered["grid"]), strict=True):
        if grid is not None:
            found.setdefault(key, {})[grid] = None
    return {key: list(found[key]) for key in sorted(found)}


def views(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], candidates: Mapping[PairKey, Sequence[Grid]]
) -> Iterator[View]:
    """`predict.score_views` views of every test pair that has candidates, with all of them as answers."""
    encoder = parse_encoder(experiment.grid_encoder)
    known = {(name, task.task_id): _without_outputs(task) for name in tasks for task in tasks[name]}
    for (dataset, task_id, test_index), found in candidates.items():
        task = known[dataset, task_id]
        for number, recipe in enumerate(view_recipes(experiment, dataset, task, test_index)):
            answers = tuple(encoder.encode(recipe.augmentation.apply(grid)) for grid in found)
            yield View(dataset, task, test_index, number, recipe, recipe.render(task, encoder).text, answers)


def view_recipes(experiment: Experiment, dataset: str, task: Task, test_index: int) -> list[Recipe]:
    """The test pair as it is, then under one transform after the other, with colours and demonstrations permuted.

    What the experiment does not train with stays as it is. The permutations are drawn by the seed of the experiment and
    by what the test pair shows, whatever the task is called. Test outputs of the task are not looked at.
    """
    config, encoder = experiment.augmentation, parse_encoder(experiment.grid_encoder)
    n_train = len(task.train)
    plain = Recipe(
        *(dataset, task.task_id, experiment.predict.prompt, Augmentation()),
        tuple(range(n_train))[: config.max_demonstrations],
        n_train + test_index,
    )
    recipes, content = [plain], plain.render(task, encoder).text
    for number in range(1, experiment.predict.score_views):
        rng = _generator(experiment.seed, number, content)
        transform = TRANSFORM_NAMES[number % len(TRANSFORM_NAMES)] if config.geometric else "identity"
        colours = draw_colour_map(rng, config.background_probability) if config.colours else IDENTITY_COLOURS
        order = rng.permutation(n_train) if config.demonstration_order else np.arange(n_train)
        shown = tuple(int(index) for index in order)[: config.max_demonstrations]
        augmentation = Augmentation(transform, colours)
        recipes.append(Recipe(dataset, task.task_id, plain.prompt, augmentation, shown, plain.target))
    return recipes


def _without_outputs(task: Task) -> Task:
    """The task with its test outputs blanked: no view can leak them."""
    return replace(task, test=tuple(Pair(pair.input, ((0,),)) for pair in task.test))


def answer_key(prompt: str, answer: str, adapter: str = "") -> str:
    """Names an answer to a prompt, and the weights that score it where a checkpoint has several."""
    return hash_json([prompt, answer, adapter])[:32]


def _generator(*parts: object) -> np.random.Generator:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big")))
