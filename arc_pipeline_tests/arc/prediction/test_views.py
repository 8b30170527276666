"""Views of a test pair: the same for all of its candidates, drawn by content, and blind to the test output."""

from dataclasses import replace

import pytest

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.views import View, distinct_grids, view_recipes, views
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

TASK = Task(
    "007bbfb7",
    (Pair(((1, 0), (2, 2)), ((0, 1), (2, 2))), Pair(((3, 0, 4),), ((4, 0, 3),)), Pair(((5,), (6,)), ((6,), (5,)))),
    (Pair(((7, 8),), ((8, 7),)), Pair(((1, 9),), ((9, 1),))),
)
CANDIDATES: list[Grid] = [((8, 7),), ((7, 8),), ((0, 1), (2, 3))]


def an_experiment(n_views: int = 8, **changes: object) -> Experiment:
    predict = {"datasets": ["d"], "score_views": n_views}
    return Experiment.model_validate(
        {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": predict} | changes
    )


def of_pair(experiment: Experiment, task: Task = TASK) -> list[View]:
    return list(views(experiment, {"d": [task]}, {("d", task.task_id, 0): CANDIDATES}))


def test_eight_views_are_the_eight_transforms_and_the_first_is_the_pair_as_it_is() -> None:
    recipes = view_recipes(an_experiment(), "d", TASK, 0)
    assert [recipe.augmentation.transform for recipe in recipes] == list(TRANSFORM_NAMES)
    assert recipes[0].augmentation.colour_map == tuple(range(10))
    assert recipes[0].demonstrations == (0, 1, 2)
    assert all(recipe.target == 3 for recipe in recipes)
    assert len({recipe.augmentation.colour_map for recipe in recipes}) == 8


def test_more_views_begin_with_the_same() -> None:
    few, many = (view_recipes(an_experiment(n), "d", TASK, 0) for n in (4, 20))
    assert many[:4] == few
    assert len(many) == len(set(many)) == 20


def test_what_is_not_trained_with_stays() -> None:
    plain = {"augmentation": {"geometric": False, "colours": False, "demonstration_order": False}}
    recipes = view_recipes(an_experiment(3, **plain), "d", TASK, 0)
    assert len(set(recipes)) == 1
    shown = view_recipes(an_experiment(8, augmentation={"max_demonstrations": 2}), "d", TASK, 0)
    assert {len(recipe.demonstrations) for recipe in shown} == {2}


def test_answers_are_the_candidates_under_the_view() -> None:
    experiment = an_experiment()
    encoder = parse_encoder(experiment.grid_encoder)
    for view in of_pair(experiment):
        back = [view.recipe.augmentation.invert(encoder.decode(answer)) for answer in view.answers]
        assert back == CANDIDATES


@pytest.mark.parametrize("output", [(), ((0,),), ((9, 9), (9, 9))])
def test_no_prompt_depends_on_a_test_output(output: Grid) -> None:
    other = replace(TASK, test=tuple(Pair(pair.input, output) for pair in TASK.test))
    assert [view.prompt for view in of_pair(an_experiment(), other)] == [
        view.prompt for view in of_pair(an_experiment())
    ]


def test_content_and_seed_draw_the_views_and_the_name_does_not() -> None:
    def drawn(task: Task = TASK, seed: int = 7) -> list[str]:
        return [view.prompt for view in of_pair(an_experiment(seed=seed), task)]

    changed = replace(TASK, test=(Pair(((7, 8), (7, 8)), ((8, 7),)), TASK.test[1]))
    assert drawn(replace(TASK, task_id="renamed")) == drawn()
    assert drawn(seed=8)[1:] != drawn()[1:]
    colours = [
        [one.augmentation.colour_map for one in view_recipes(an_experiment(), "d", task, 0)] for task in (TASK, changed)
    ]
    assert colours[0][1:] != colours[1][1:]


def test_candidates_are_distinct_grids_in_their_order() -> None:
    import pyarrow as pa

    from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA

    found = [(1, ((2,),)), (0, None), (3, ((1,),)), (2, ((2,),))]
    rows = [
        {"dataset": "d", "task_id": "a", "test_index": 0, "candidate_index": index, "grid": grid, "outcome": "decoded"}
        for index, grid in found
    ]
    assert distinct_grids(pa.Table.from_pylist(rows, PREDICTION_SCHEMA)) == {("d", "a", 0): [((2,),), ((1,),)]}
