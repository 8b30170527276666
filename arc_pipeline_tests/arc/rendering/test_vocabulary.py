"""Tokens of the embedded model: splitting loses nothing, and the demo's ten tasks are the shortest ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.rendering.vocabulary import CHARACTERS, LENGTH_ENCODER, PHRASES, split, task_length
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Pair, Task

SHIPPED = Path(__file__).parents[3] / "data"
TEN_SHORTEST = [
    *("0520fde7", "0d3d703e", "44f52bb0", "49d1d64f", "5582e5ca"),
    *("6150a2bd", "c9e6f938", "d037b0a7", "d631b094", "e9afcf9a"),
]
pieces = st.sampled_from(PHRASES) | st.text(max_size=3) | st.sampled_from(["`", "\n", "```", "\n\n", "Input:"])


@given(st.lists(pieces).map("".join))
def test_tokens_joined_are_the_text(text: str) -> None:
    tokens = split(text)
    assert "".join(tokens) == text
    assert all(len(token) == 1 or token in PHRASES for token in tokens)


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_is_one_token(phrase: str) -> None:
    assert split(phrase) == [phrase]
    assert split(f"0{phrase}0") == ["0", phrase, "0"]


@pytest.mark.parametrize("version", PROMPTS)
@pytest.mark.parametrize("name", [LENGTH_ENCODER, "GridCodeBlockEncoder(GridWithSeparationEncoder('|'))"])
def test_prompts_are_made_of_known_tokens_and_end_at_one(version: str, name: str, one_test: Task) -> None:
    prompt = PROMPTS[version](one_test.train, one_test.test[0], parse_encoder(name))
    tokens = split(prompt.text + prompt.answer)
    assert set(tokens) <= {*PHRASES, *CHARACTERS}
    assert tokens == split(prompt.text) + split(prompt.answer)


def test_the_vocabulary_has_no_token_twice() -> None:
    assert len({*PHRASES, *CHARACTERS}) == len(PHRASES) + len(CHARACTERS)


def test_a_tasks_length_by_hand() -> None:
    pair = Pair(((1, 2),), ((3,),))
    row, cell = 8 + 1, 7 + 1  # opening, "1x2\n", "1 12", closing: 1 + 4 + 4 + 1 tokens; one fewer for a single cell
    demonstration = 1 + (row + 1) + 1 + (cell + 1)
    question = 1 + (row + 1) + 1
    answer = (cell + 1) + 1  # and the end
    assert task_length(Task("a", (pair, pair), (pair,))) == 1 + 2 * demonstration + question + answer


def test_the_longest_question_counts() -> None:
    small, large = Pair(((1,),), ((1,),)), Pair(((1, 2, 3),), ((1, 2, 3),))
    assert task_length(Task("a", (small,), (small, large))) == task_length(Task("a", (small,), (large,)))
    assert task_length(Task("a", (small,), (large,))) > task_length(Task("a", (small,), (small,)))


def test_a_task_without_test_pairs_has_a_length(no_test: Task) -> None:
    assert task_length(no_test) > 0


def test_the_ten_shortest_training_tasks_of_arc_agi_1() -> None:
    catalogue = Catalogue.read(SHIPPED, length=task_length)
    chosen = [task.task_id for task in catalogue.load("arc-agi-1-ten-shortest")]
    by_length = sorted(catalogue.load("arc-agi-1-training"), key=lambda task: (task_length(task), task.task_id))
    assert chosen == sorted(task.task_id for task in by_length[:10]) == TEN_SHORTEST
