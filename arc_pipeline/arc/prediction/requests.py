"""What a trained model is given to complete: the prompts of an experiment's test pairs, under augmentation.

Knows nothing of models: a request is a text, with the randomness of its completion.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from arc_pipeline.arc.augmentation.recipes import Recipe, draw_augmentation
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task

TEMPERATURES = (0.0, 0.1, 0.2, 0.5, 1.0)
DECODINGS = {f"t{temperature}": temperature for temperature in TEMPERATURES}


@dataclass(frozen=True)
class PromptRequest:
    """A prompt to complete; `seed` is the randomness of sampling, of which there is none at temperature 0."""

    prompt: str
    seed: int
    temperature: float


@dataclass(frozen=True)
class CandidateRequest(PromptRequest):
    """The request for one candidate of a test pair; `recipe` is what its prompt was rendered from."""

    dataset: str
    task: Task
    test_index: int
    candidate_index: int
    recipe: Recipe


def candidate_requests(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], temperature: float = 0.0
) -> Iterator[CandidateRequest]:
    """All prompts of an experiment: each is a function of (seed, task, test pair, candidate index) alone."""
    encoder, indices = parse_encoder(experiment.grid_encoder), range(experiment.predict.predictions)
    for dataset in experiment.predict.datasets:
        for task in tasks[dataset]:
            places = ((test_index, index) for test_index in range(len(task.test)) for index in indices)
            for place in places:
                seed = _seed(experiment.seed, task.task_id, *place)
                recipe = _recipe(experiment, dataset, task, place[0], seed)
                prompt = recipe.render(_without_solution(task), encoder).text
                yield CandidateRequest(prompt, seed, temperature, dataset, task, *place, recipe)


def _recipe(experiment: Experiment, dataset: str, task: Task, test_index: int, seed: int) -> Recipe:
    rng = np.random.Generator(np.random.Philox(key=seed))
    augmentation = draw_augmentation(rng, experiment.augmentation)
    n_train = len(task.train)
    order = rng.permutation(n_train) if experiment.augmentation.demonstration_order else np.arange(n_train)
    shown = tuple(int(index) for index in order[: experiment.augmentation.max_demonstrations])
    return Recipe(dataset, task.task_id, experiment.predict.prompt, augmentation, shown, n_train + test_index)


def _without_solution(task: Task) -> Task:
    """The task with its test outputs blanked: no prompt can leak them."""
    return replace(task, test=tuple(replace(pair, output=((0,),)) for pair in task.test))


def _seed(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
