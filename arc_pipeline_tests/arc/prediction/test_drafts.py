"""A draft is another candidate's grid, encoded under the request's own augmentation; a wrong one changes nothing.

So nothing but the speed would show that drafts are wrong: they are compared here, letter by letter.
"""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES, Augmentation
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.requests import CandidateRequest
from arc_pipeline.arc.rendering.encoder import GridEncoder, parse_encoder
from arc_pipeline.arc.rendering.prompt import SOLVE
from arc_pipeline.arc.tasks.task import Grid, Pair, Task

MINIMAL = parse_encoder("MinimalGridEncoder()")
DEMO = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")
INPUT: Grid = ((1, 2, 3), (4, 5, 6))
ANSWER: Grid = ((7, 0), (8, 9), (1, 1))
ROTATED = Augmentation("rotate_90", (0, 2, 1, *range(3, 10)))

cells = arrays("int8", array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 9))
grids = cells.map(lambda array: tuple(map(tuple, array.tolist())))
augmentations = st.builds(Augmentation, st.sampled_from(TRANSFORM_NAMES), st.permutations(range(10)).map(tuple))


def request(
    augmentation: Augmentation, shown: Grid = INPUT, dataset: str = "d", task_id: str = "t", test: int = 0
) -> CandidateRequest:
    """A request for one of the two test pairs of a task, the one with this input."""
    pair, other = Pair(shown, ((0,),)), Pair(((0, 0),), ((0,),))
    recipe = Recipe(dataset, task_id, SOLVE, augmentation, (0,), 1 + test)
    tests = (other, pair) if test else (pair, other)
    return CandidateRequest("", 0, 1.0, dataset, Task(task_id, (other,), tests), test, 0, recipe)


def drafts_of(augmentations: Sequence[Augmentation], encoder: GridEncoder = MINIMAL) -> CandidateDrafts:
    return CandidateDrafts([request(each) for each in augmentations], encoder)


def completion_of(text: str) -> Completion:
    return Completion(text, -1.0, len(text))


@pytest.mark.parametrize("encoder", [MINIMAL, DEMO])
@given(augmentations, augmentations, grids, grids)
def test_an_answer_is_a_guess_under_the_augmentation_of_any_other_request(
    encoder: GridEncoder, its_own: Augmentation, other: Augmentation, shown: Grid, grid: Grid
) -> None:
    drafts = CandidateDrafts([request(its_own, shown), request(other, shown)], encoder)
    drafts.finished(0, completion_of(encoder.encode(its_own.apply(grid))))
    for index, augmentation in enumerate((its_own, other)):
        expected = [encoder.encode(augmentation.apply(each)) for each in (grid, shown)]
        assert list(drafts.guesses(index)) == expected


def test_a_guess_by_hand() -> None:
    """Turned clockwise, colours 1 and 2 swapped; then back, and mirrored."""
    drafts = drafts_of([ROTATED, Augmentation("flip_columns")])
    drafts.finished(0, completion_of("287\n290"))  # of 70, 89, 11
    assert list(drafts.guesses(1)) == ["07\n98\n11", "321\n654"]
    assert list(drafts.guesses(0)) == ["287\n290", "42\n51\n63"]


@given(augmentations, grids)
def test_the_test_input_is_a_guess_before_anything_is_completed(augmentation: Augmentation, shown: Grid) -> None:
    drafts = CandidateDrafts([request(augmentation, shown)], DEMO)
    assert list(drafts.guesses(0)) == [DEMO.encode(augmentation.apply(shown))]


@given(st.lists(st.tuples(st.sampled_from([INPUT, ANSWER, ((3,),), ((3, 4),)]), augmentations), max_size=12))
def test_what_was_found_most_often_is_guessed_first(found: list[tuple[Grid, Augmentation]]) -> None:
    """Under whatever augmentation; of those that are as frequent, the one that was found first."""
    drafts = drafts_of([*(augmentation for _, augmentation in found), Augmentation()])
    for index, (grid, augmentation) in enumerate(found):
        drafts.finished(index, completion_of(MINIMAL.encode(augmentation.apply(grid))))
    answers = [grid for grid, _ in found]
    likeliest = sorted(dict.fromkeys(answers), key=answers.count, reverse=True)
    assert list(drafts.guesses(len(found))) == [MINIMAL.encode(grid) for grid in (*likeliest, INPUT)]


def test_a_family_is_one_test_pair_and_learns_nothing_of_others() -> None:
    places = list(itertools.product(("d", "e"), ("t", "u"), (0, 1)))
    requests = [request(ROTATED, INPUT, *place) for place in places for _ in range(2)]
    drafts = CandidateDrafts(requests, MINIMAL)
    assert [drafts.family(index) for index in range(len(requests))] == [place for place in places for _ in range(2)]
    drafts.finished(0, completion_of("12"))
    nothing = [MINIMAL.encode(ROTATED.apply(INPUT))]
    assert [list(drafts.guesses(index)) for index in range(len(requests))] == [["12", *nothing]] * 2 + [nothing] * 14


@pytest.mark.parametrize(
    "completion",
    [
        completion_of(""),
        completion_of("12\n3"),
        completion_of("1x"),
        completion_of("12\n"),
        Completion("12", 0.0, 0, refusal="the prompt is too long"),
    ],
    ids=lambda completion: repr(completion.refusal or completion.text),
)
def test_what_is_no_grid_is_no_guess(completion: Completion) -> None:
    drafts = drafts_of([ROTATED, Augmentation()])
    drafts.finished(0, completion)
    assert list(drafts.guesses(1)) == [MINIMAL.encode(INPUT)]
    # and one that is a grid still is
    drafts.finished(0, completion_of(MINIMAL.encode(ROTATED.apply(ANSWER))))
    assert list(drafts.guesses(1)) == [MINIMAL.encode(ANSWER), MINIMAL.encode(INPUT)]
