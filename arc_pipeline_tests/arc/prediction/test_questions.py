"""Questions are functions of seed, task, test pair and candidate alone; each completion becomes one candidate."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.prediction.prompt import PROMPTS, SOLVE, Prompt
from arc_pipeline.arc.prediction.questions import (
    DECODED,
    DECODINGS,
    PREDICTION_SCHEMA,
    TEMPERATURES,
    Completion,
    Question,
    candidate_row,
    decode,
    questions,
)
from arc_pipeline.arc.tasks.task import Pair, Task

Tasks = dict[str, list[Task]]
MINIMAL = parse_encoder("MinimalGridEncoder()")
DEMO = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")
TURNED = Augmentation("rotate_90", (0, 2, 1, *range(3, 10)))


def experiment(predict: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    asked = {"datasets": ["written"], "predictions": 8} | (predict or {})
    return Experiment.model_validate(
        {"name": "x", "train": [{"dataset": "written"}], "max_steps": 1, "predict": asked} | changes
    )


def key(question: Question) -> tuple[str, str, int, int]:
    return question.dataset, question.task.task_id, question.test_index, question.candidate_index


def by_key(asked: Experiment, tasks: Tasks) -> dict[tuple[str, str, int, int], Question]:
    return {key(question): question for question in questions(asked, tasks)}


# --- what is asked


def test_every_test_pair_is_asked_as_often_as_planned(tasks: Tasks) -> None:
    asked = list(questions(experiment({"datasets": ["generated", "written"], "predictions": 3}), tasks))
    pairs = [("one_test", 0), ("two_tests", 0), ("two_tests", 1)]  # generated tasks ask nothing
    assert list(map(key, asked)) == [("written", *pair, index) for pair in pairs for index in range(3)]
    for question in asked:
        assert question.recipe.target == 3 + question.test_index
        assert sorted(question.recipe.demonstrations) == [0, 1, 2]


def test_more_datasets_predictions_and_steps_leave_questions_as_they_are(tasks: Tasks) -> None:
    before = by_key(experiment(), tasks)
    more = tasks | {"also": [replace(tasks["written"][0], task_id="another"), *tasks["generated"]]}
    more["written"] = [more["also"][0], *tasks["written"][::-1]]
    other = experiment(
        {"datasets": ["also", "written"], "predictions": 20, "batch_size": 1}, max_steps=9, model="other"
    )
    after = by_key(other, more)
    assert {each: after[each] for each in before} == before
    assert len(after) == 20 + 4 * 20


def test_a_task_is_asked_alike_in_every_dataset(tasks: Tasks) -> None:
    twice = {"written": tasks["written"], "copy": tasks["written"]}
    asked = by_key(experiment({"datasets": ["written", "copy"]}), twice)
    for (dataset, *rest), question in asked.items():
        other = asked["copy" if dataset == "written" else "written", *rest]
        assert (question.seed, replace(question.recipe, dataset="")) == (other.seed, replace(other.recipe, dataset=""))


def test_the_solution_changes_no_question(tasks: Tasks) -> None:
    unsolved = {name: [without_solution(task) for task in tasks[name]] for name in tasks}
    for question, other in zip(questions(experiment(), tasks), questions(experiment(), unsolved), strict=True):
        assert (question.seed, question.recipe) == (other.seed, other.recipe)
        assert question.prompt(DEMO) == other.prompt(DEMO)


def without_solution(task: Task) -> Task:
    return replace(task, test=tuple(Pair(pair.input, ((0,),)) for pair in task.test))


def test_seeds_differ_and_fit_the_table(tasks: Tasks) -> None:
    seeds = [q.seed for seed in (7, 8) for q in questions(experiment({"predictions": 100}, seed=seed), tasks)]
    assert len(set(seeds)) == len(seeds) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_candidates_see_all_augmentations(tasks: Tasks) -> None:
    asked = [q.recipe for q in questions(experiment({"predictions": 100}), tasks)]
    transforms = Counter(recipe.augmentation.transform for recipe in asked)
    assert len(transforms) == 8
    assert max(transforms.values()) < 2.5 * min(transforms.values())
    assert len({recipe.augmentation.colour_map for recipe in asked}) > 250
    assert len({recipe.demonstrations for recipe in asked}) == 6


def test_only_declared_augmentations_are_used(tasks: Tasks) -> None:
    off = {"geometric": False, "colours": False, "demonstration_order": False}
    asked = [q.recipe for q in questions(experiment(augmentation=off), tasks)]
    assert {(recipe.augmentation, recipe.demonstrations) for recipe in asked} == {(Augmentation(), (0, 1, 2))}
    limited = [q.recipe for q in questions(experiment(augmentation={"max_demonstrations": 2}), tasks)]
    assert {len(recipe.demonstrations) for recipe in limited} == {2}


# --- one prompt code


@pytest.mark.parametrize("encoder", [MINIMAL, DEMO])
def test_a_prediction_prompt_is_the_text_of_the_training_example(tasks: Tasks, encoder: Any) -> None:
    for question in questions(experiment(), tasks):
        example = question.recipe.render(question.task, encoder)
        assert question.prompt(encoder) == example.text
        assert example.answer == encoder.encode(
            question.recipe.augmentation.apply(question.task.test[question.test_index].output)
        )


def test_a_prompt_never_shows_its_answer(tasks: Tasks) -> None:
    # all grids of these tasks are different, also transformed and recoloured
    for question in questions(experiment({"predictions": 32}), {"written": tasks["written"][:1]}):
        assert question.recipe.render(question.task, DEMO).answer not in question.prompt(DEMO)


def test_not_even_a_prompt_that_gives_the_answer_away_can(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROMPTS, SOLVE, lambda shown, target, encoder: Prompt(encoder.encode(target.output), ""))
    for question in questions(experiment(), tasks):
        solution = question.task.test[question.test_index].output
        assert question.prompt(DEMO) != DEMO.encode(question.recipe.augmentation.apply(solution))


# --- what is answered


def question(task: Task, augmentation: Augmentation = TURNED) -> Question:
    recipe = Recipe("written", task.task_id, SOLVE, augmentation, (2, 0, 1), 3)
    return Question("written", task, 0, 5, recipe, seed=11)


def test_the_right_answer_is_decoded_and_its_augmentation_undone(tasks: Tasks) -> None:
    for each in questions(experiment(), tasks):
        answer = each.recipe.render(each.task, DEMO).answer
        truth = each.task.test[each.test_index].output
        assert decode(Completion(answer, -1.0, 9), each.recipe.augmentation, DEMO) == (truth, DECODED)


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (Completion("", 0.0, 0), "an empty row"),
        (Completion("12\n3", -1.0, 4), "ragged rows"),
        (Completion("12\n3x", -1.0, 5), "a cell is no digit"),
        (Completion("12\n", -1.0, 4), "an empty row"),
        (Completion("12", -1.0, 3, refusal="the prompt is too long"), "the prompt is too long"),
    ],
)
def test_what_is_no_grid_is_kept_with_its_reason(one_test: Task, completion: Completion, outcome: str) -> None:
    row = candidate_row(question(one_test), completion, MINIMAL)
    assert (row["grid"], row["outcome"], row["completion"]) == (None, outcome, completion.text)


def test_a_row_by_hand(one_test: Task) -> None:
    answered = Completion("31\n42", -0.5, 6, token_logprobs=np.array([-0.5, 0], np.float32))
    row = candidate_row(question(one_test), answered, MINIMAL)
    assert row == {
        "dataset": "written",
        "task_id": "one_test",
        "test_index": 0,
        "candidate_index": 5,
        "transform": "rotate_90",
        "colour_map": [0, 2, 1, 3, 4, 5, 6, 7, 8, 9],
        "demonstrations": [2, 0, 1],
        "seed": 11,
        "completion": "31\n42",
        "grid": ((2, 1), (3, 4)),
        "outcome": "decoded",
        "logprob": -0.5,
        "n_tokens": 6,
        "token_logprobs": [-0.5, 0],
    }


def test_a_table_keeps_rows_exactly(tasks: Tasks) -> None:
    completions = ["12\n34", "1", "no grid"]
    rows = [
        candidate_row(each, Completion(completions[number % 3], -float(number), number), MINIMAL)
        for number, each in enumerate(questions(experiment(), tasks))
    ]
    read = pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA).to_pylist()
    for row in read:
        row["grid"] = row["grid"] and tuple(map(tuple, row["grid"]))
    assert read == rows


def test_decodings_are_named_after_their_temperatures() -> None:
    assert DECODINGS == {"t0.0": 0.0, "t0.1": 0.1, "t0.2": 0.2, "t0.5": 0.5, "t1.0": 1.0}
    assert tuple(DECODINGS.values()) == TEMPERATURES
