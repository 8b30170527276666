"""Prompts show the demonstrations and the question, and never the answer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import GENERATE, PROMPTS, SOLVE, Prompt
from arc_pipeline.arc.tasks.task import Pair, Task

ENCODERS = [
    "MinimalGridEncoder()",
    "RowNumberEncoder(GridWithSeparationEncoder('|'))",
    "GridCodeBlockEncoder(MinimalGridEncoder())",
    "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))",
]
grids = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
pairs = st.builds(Pair, grids, grids)


def prompts_of(version: str, demonstrations: Sequence[Pair], target: Pair) -> list[tuple[Prompt, str]]:
    return [(PROMPTS[version](demonstrations, target, parse_encoder(name)), name) for name in ENCODERS]


def test_the_solve_prompt_stays_as_it_is() -> None:
    demonstration, target = Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),))
    prompt = PROMPTS[SOLVE]([demonstration], target, parse_encoder("MinimalGridEncoder()"))
    rule = "One rule turns every input into its output. Apply it to the last input."
    assert prompt.text == f"{rule}\n\nInput:\n12\n\nOutput:\n21\n\nInput:\n34\n\nOutput:\n"
    assert prompt.answer == "43"


def test_the_generate_prompt_stays_as_it_is() -> None:
    demonstrations, target = [Pair(((1, 2),), ((9,),)), Pair(((5, 6),), ((9,),))], Pair(((3, 4),), ((9,),))
    prompt = PROMPTS[GENERATE](demonstrations, target, parse_encoder("MinimalGridEncoder()"))
    rule = "All these inputs come from one source. Write one more."
    assert prompt.text == f"{rule}\n\nInput:\n12\n\nInput:\n56\n\nInput:\n"
    assert prompt.answer == "34"


@given(st.lists(pairs, max_size=4), pairs)
def test_spans_are_exactly_the_demonstrations_answers(demonstrations: list[Pair], target: Pair) -> None:
    for version, part in ((SOLVE, "output"), (GENERATE, "input")):
        for prompt, name in prompts_of(version, demonstrations, target):
            encoded = [parse_encoder(name).encode(getattr(pair, part)) for pair in demonstrations]
            assert [prompt.text[begin:end] for begin, end in prompt.outputs] == encoded
            assert prompt.answer == parse_encoder(name).encode(getattr(target, part))


@given(st.lists(pairs, max_size=4), pairs, grids)
def test_the_answer_leaves_no_trace_in_the_text(demonstrations: list[Pair], target: Pair, other: tuple) -> None:
    for version, changed in ((SOLVE, Pair(target.input, other)), (GENERATE, Pair(other, target.output))):
        texts = [prompt.text for prompt, _ in prompts_of(version, demonstrations, target)]
        assert texts == [prompt.text for prompt, _ in prompts_of(version, demonstrations, changed)]


@pytest.mark.parametrize("version", [SOLVE, GENERATE])
def test_an_answer_that_no_pair_shows_is_not_in_the_text(version: str, one_test: Task) -> None:
    for prompt, _ in prompts_of(version, one_test.train, one_test.test[0]):
        assert prompt.answer not in prompt.text
        assert (prompt.text + prompt.answer).count(prompt.answer) == 1


def test_the_generate_prompt_shows_no_output(one_test: Task) -> None:
    for prompt, name in prompts_of(GENERATE, one_test.train, one_test.test[0]):
        assert not any(parse_encoder(name).encode(pair.output) in prompt.text for pair in one_test.train)
