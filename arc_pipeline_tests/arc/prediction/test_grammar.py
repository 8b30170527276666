"""A grammar allows exactly the beginnings of encodings, for every encoder and also where a token is many characters."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arc_pipeline.arc.prediction.grammar import DETERMINED, UNKNOWN, Grammar
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.vocabulary import split
from arc_pipeline.arc.tasks.task import Grid
from arc_pipeline.errors import ArcPipelineError

DEMO = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"
NAMES = (
    DEMO,
    "MinimalGridEncoder()",
    "GridWithSeparationEncoder(', ')",
    "RowNumberEncoder(GridWithSeparationEncoder('```'))",
    "GridCodeBlockEncoder(MinimalGridEncoder())",
    "GridShapeEncoder(GridCodeBlockEncoder(GridWithSeparationEncoder(' ')))",
    "RowNumberEncoder(GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder())))",
)
END = 0


def characters(texts: list[str]) -> list[list[int]]:
    return [[ord(character) for character in text] for text in texts]


def phrases(texts: list[str]) -> list[list[int]]:
    """Ids of tokens that can be whole phrases, as the tiny model's are."""
    return [[int.from_bytes(word.encode(), "big") % 2**61 for word in split(text)] for text in texts]


@cache
def grammar(name: str, shapes: tuple[tuple[int, int], ...] | None = None) -> Grammar:
    chosen = {"shapes": shapes} if shapes else {}
    return Grammar(parse_encoder(name), characters, END, **chosen)


@cache
def templates(name: str) -> list[tuple[str, str]]:
    """Every shape's text in two colours: where they differ is a cell."""
    encoder = parse_encoder(name)
    sides = range(1, 31)
    return [
        tuple(encoder.encode(((colour,) * columns,) * rows) for colour in (0, 1)) for rows in sides for columns in sides
    ]


def can_go_on(name: str, beginning: str) -> set[int]:
    """What follows the beginning in the text of any grid, found by looking at all shapes."""
    found: set[int] = set()
    for black, blue in templates(name):
        if len(black) >= len(beginning) and all(
            c == a if a == b else c in "0123456789" for a, b, c in zip(black, blue, beginning, strict=False)
        ):
            if len(black) == len(beginning):
                found.add(END)
            elif black[len(beginning)] == blue[len(beginning)]:
                found.add(ord(black[len(beginning)]))
            else:
                found |= set(map(ord, "0123456789"))
    return found


def grids_up_to(side: int) -> st.SearchStrategy[Grid]:
    cells = arrays("int8", array_shapes(min_dims=2, max_dims=2, max_side=side), elements=st.integers(0, 9))
    return cells.map(lambda array: tuple(map(tuple, array.tolist())))


def ids_of(name: str, grid: Grid) -> list[int]:
    return [*characters([parse_encoder(name).encode(grid)])[0], END]


@settings(max_examples=60)
@given(st.sampled_from(NAMES), grids_up_to(30))
def test_every_encoding_is_accepted(name: str, grid: Grid) -> None:
    ids = ids_of(name, grid)
    assert grammar(name).accepts(ids)
    assert not grammar(name).accepts(ids[:-1])
    assert not grammar(name).accepts([*ids, END])


@settings(max_examples=40)
@given(st.sampled_from(NAMES), st.data())
def test_what_is_accepted_decodes(name: str, data: st.DataObject) -> None:
    encoder, shapes = parse_encoder(name), tuple((rows, columns) for rows in (1, 2, 3) for columns in (1, 2, 4))
    walked: list[int] = []
    while allowed := grammar(name, shapes).allowed(walked):
        walked.append(data.draw(st.sampled_from(allowed)))
    text = "".join(map(chr, walked[:-1]))
    assert walked[-1] == END
    assert encoder.encode(encoder.decode(text)) == text


@settings(max_examples=25)
@given(st.sampled_from(NAMES), grids_up_to(5), st.data())
def test_exactly_what_keeps_a_grid_possible_is_allowed(name: str, grid: Grid, data: st.DataObject) -> None:
    ids = ids_of(name, grid)
    at = data.draw(st.integers(0, len(ids) - 1))
    allowed = grammar(name).allowed(ids[:at])
    assert ids[at] in allowed
    assert set(allowed) == can_go_on(name, "".join(map(chr, ids[:at])))


@given(st.sampled_from(NAMES), grids_up_to(6), st.data())
def test_a_plan_knows_what_is_determined(name: str, grid: Grid, data: st.DataObject) -> None:
    ids, rules = ids_of(name, grid), grammar(name)
    decided = ids[: data.draw(st.integers(0, len(ids)))]
    script = rules.plan(decided)
    known = script.tokens != UNKNOWN
    n_planned = min(len(ids), len(known))
    assert np.array_equal(script.tokens[known][:n_planned], np.array(ids)[:n_planned][known[:n_planned]])
    assert known[: len(decided)].all()
    for place in np.flatnonzero(known[len(decided) :]) + len(decided):
        assert rules.allowed(ids[:place]) == (ids[place],)
    for place in range(min(len(known), len(ids))):
        kind = int(script.kinds[place])
        assert kind == DETERMINED or rules.kinds_of[kind] == rules.allowed(ids[:place])


@given(st.sampled_from(NAMES), grids_up_to(4), grids_up_to(4), st.data())
def test_a_draft_of_the_same_shape_is_what_is_planned(name: str, grid: Grid, other: Grid, data: st.DataObject) -> None:
    draft = tuple(tuple(data.draw(st.integers(0, 9)) for _ in row) for row in grid)
    ids, drafted, rules = ids_of(name, grid), ids_of(name, draft), grammar(name)
    decided = ids[: data.draw(st.integers(0, len(ids)))]
    assert rules.fits(drafted, decided)
    script = rules.plan(decided, drafted)
    assert script.is_whole
    assert script.tokens.tolist() == [*decided, *drafted[len(decided) :]]
    same_shape = (len(grid), len(grid[0])) == (len(other), len(other[0]))
    assert rules.fits(ids_of(name, other), ids) == same_shape


def test_tokens_may_be_phrases() -> None:
    rules = Grammar(parse_encoder(DEMO), phrases, END)
    ids = [*phrases([parse_encoder(DEMO).encode(((1, 2), (3, 4), (5, 6)))])[0], END]
    assert rules.accepts(ids)
    assert rules.longest == 1019
    assert set(ids) <= set(rules.ids)


def test_a_tokenizer_that_merges_cells_is_refused_in_words() -> None:
    def merging(texts: list[str]) -> list[list[int]]:
        return characters([text.replace("00", "\u0100").replace("37", "\u0101") for text in texts])

    with pytest.raises(ArcPipelineError, match=r"does not give every cell .*constrain: false"):
        Grammar(parse_encoder(DEMO), merging, END)
    apart = "GridShapeEncoder(GridWithSeparationEncoder(' '))"
    with pytest.raises(ArcPipelineError):  # "00" is no cell here, but a side can be "30" and "20"
        Grammar(parse_encoder(DEMO), lambda texts: [each[::-1] for each in merging(texts)], END)
    assert Grammar(parse_encoder(apart), merging, END).root.stop == len("```grid shape: ")
