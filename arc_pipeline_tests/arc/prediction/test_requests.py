"""Requests are functions of seed, task, test pair and candidate alone; their prompts are those of training examples."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.requests import DECODINGS, TEMPERATURES, CandidateRequest, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS, SOLVE, Prompt
from arc_pipeline.arc.tasks.task import Pair, Task

Tasks = dict[str, list[Task]]
MINIMAL = "MinimalGridEncoder()"
DEMO = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"


def experiment(predict: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    predict = {"datasets": ["written"], "predictions": 8} | (predict or {})
    return Experiment.model_validate(
        {"name": "x", "train": [{"dataset": "written"}], "max_steps": 1, "predict": predict} | changes
    )


def key(request: CandidateRequest) -> tuple[str, str, int, int]:
    return request.dataset, request.task.task_id, request.test_index, request.candidate_index


def by_key(experiment: Experiment, tasks: Tasks) -> dict[tuple[str, str, int, int], CandidateRequest]:
    return {key(request): request for request in candidate_requests(experiment, tasks)}


def test_every_test_pair_has_as_many_requests_as_planned(tasks: Tasks) -> None:
    requests = list(
        candidate_requests(experiment({"datasets": ["generated", "written"], "predictions": 3}), tasks, 0.5)
    )
    pairs = [("one_test", 0), ("two_tests", 0), ("two_tests", 1)]  # generated tasks have no test pairs
    assert list(map(key, requests)) == [("written", *pair, index) for pair in pairs for index in range(3)]
    for request in requests:
        assert request.recipe.target == 3 + request.test_index
        assert sorted(request.recipe.demonstrations) == [0, 1, 2]
        assert request.temperature == 0.5


def test_more_datasets_predictions_and_steps_leave_requests_as_they_are(tasks: Tasks) -> None:
    before = by_key(experiment(), tasks)
    more = tasks | {"also": [replace(tasks["written"][0], task_id="another"), *tasks["generated"]]}
    more["written"] = [more["also"][0], *tasks["written"][::-1]]
    other = experiment(
        {"datasets": ["also", "written"], "predictions": 20, "batch_size": 1}, max_steps=9, model="other"
    )
    after = by_key(other, more)
    assert {each: after[each] for each in before} == before
    assert len(after) == 20 + 4 * 20


def test_a_task_has_the_same_prompts_in_every_dataset(tasks: Tasks) -> None:
    twice = {"written": tasks["written"], "copy": tasks["written"]}
    requests = by_key(experiment({"datasets": ["written", "copy"]}), twice)
    for (dataset, *rest), request in requests.items():
        other = requests["copy" if dataset == "written" else "written", *rest]
        assert (request.seed, replace(request.recipe, dataset="")) == (other.seed, replace(other.recipe, dataset=""))
        assert request.prompt == other.prompt


def test_the_solution_changes_no_request(tasks: Tasks) -> None:
    unsolved = {name: [without_solution(task) for task in tasks[name]] for name in tasks}
    both = (candidate_requests(experiment(), each) for each in (tasks, unsolved))
    for request, other in zip(*both, strict=True):
        assert (request.seed, request.recipe) == (other.seed, other.recipe)
        assert request.prompt == other.prompt


def without_solution(task: Task) -> Task:
    return replace(task, test=tuple(Pair(pair.input, ((0,),)) for pair in task.test))


def test_seeds_differ_and_fit_the_table(tasks: Tasks) -> None:
    seeds = [
        request.seed
        for seed in (7, 8)
        for request in candidate_requests(experiment({"predictions": 100}, seed=seed), tasks)
    ]
    assert len(set(seeds)) == len(seeds) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_candidates_see_all_augmentations(tasks: Tasks) -> None:
    recipes = [request.recipe for request in candidate_requests(experiment({"predictions": 100}), tasks)]
    transforms = Counter(recipe.augmentation.transform for recipe in recipes)
    assert len(transforms) == 8
    assert max(transforms.values()) < 2.5 * min(transforms.values())
    assert len({recipe.augmentation.colour_map for recipe in recipes}) > 250
    assert len({recipe.demonstrations for recipe in recipes}) == 6


def test_only_declared_augmentations_are_used(tasks: Tasks) -> None:
    off = {"geometric": False, "colours": False, "demonstration_order": False}
    recipes = [request.recipe for request in candidate_requests(experiment(augmentation=off), tasks)]
    assert {(recipe.augmentation, recipe.demonstrations) for recipe in recipes} == {(Augmentation(), (0, 1, 2))}
    limited = candidate_requests(experiment(augmentation={"max_demonstrations": 2}), tasks)
    assert {len(request.recipe.demonstrations) for request in limited} == {2}


# --- one prompt code


@pytest.mark.parametrize("name", [MINIMAL, DEMO])
def test_a_prediction_prompt_is_the_text_of_the_training_example(tasks: Tasks, name: str) -> None:
    encoder = parse_encoder(name)
    for request in candidate_requests(experiment(grid_encoder=name), tasks):
        example = request.recipe.render(request.task, encoder)
        assert request.prompt == example.text
        assert example.answer == encoder.encode(
            request.recipe.augmentation.apply(request.task.test[request.test_index].output)
        )


def test_a_prompt_never_shows_its_answer(tasks: Tasks) -> None:
    # all grids of these tasks are different, also transformed and recoloured
    for request in candidate_requests(experiment({"predictions": 32}), {"written": tasks["written"][:1]}):
        assert request.recipe.render(request.task, parse_encoder(DEMO)).answer not in request.prompt


def test_not_even_a_prompt_that_gives_the_answer_away_can(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROMPTS, SOLVE, lambda shown, target, encoder: Prompt(encoder.encode(target.output), ""))
    encoder = parse_encoder(DEMO)
    for request in candidate_requests(experiment(grid_encoder=DEMO), tasks):
        solution = request.task.test[request.test_index].output
        assert request.prompt != encoder.encode(request.recipe.augmentation.apply(solution))


def test_decodings_are_named_after_their_temperatures() -> None:
    assert DECODINGS == {"t0.0": 0.0, "t0.1": 0.1, "t0.2": 0.2, "t0.5": 0.5, "t1.0": 1.0}
    assert tuple(DECODINGS.values()) == TEMPERATURES
