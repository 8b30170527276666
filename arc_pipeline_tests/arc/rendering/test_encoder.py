"""Every composition of encoders decodes exactly what it encodes, and refuses everything else with a reason."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arc_pipeline.arc.rendering.encoder import (
    LARGEST_GRID,
    GridEncoder,
    GridShapeEncoder,
    GridWithSeparationEncoder,
    MinimalGridEncoder,
    RowNumberEncoder,
    parse_encoder,
)
from arc_pipeline.arc.tasks.task import Grid, grid_problem
from arc_pipeline.errors import UndecodableGrid

DEMO = "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))"
WRAPPERS = ("GridShapeEncoder({})", "RowNumberEncoder({})", "GridCodeBlockEncoder({})")
LEAVES = ("MinimalGridEncoder()", *(f"GridWithSeparationEncoder({text!r})" for text in ("|", " ", ", ", "```", "'\"")))
TWICE = tuple(outer.format(inner) for outer, inner in product(WRAPPERS, WRAPPERS))
COMPOSITIONS = LEAVES + tuple(wrapper.format(leaf) for wrapper in WRAPPERS + TWICE for leaf in LEAVES)


def grids_up_to(side: int) -> st.SearchStrategy[Grid]:
    cells = arrays("int8", array_shapes(min_dims=2, max_dims=2, max_side=side), elements=st.integers(0, 9))
    return cells.map(lambda array: tuple(map(tuple, array.tolist())))


encoders = st.sampled_from(COMPOSITIONS).map(parse_encoder)
# characters that encodings are made of, digits of other scripts that Python's int() reads, and any others
letters = st.sampled_from("0123456789 \n`|,x:gridshape'\"٣\r\t") | st.characters()
texts = st.text(letters) | st.lists(st.sampled_from(["```grid", " shape: 2x1", "\n", "```", "1 ", "12", "|"])).map(
    "".join
)


def refused_or_exact(encoder: GridEncoder, text: str) -> Grid | None:
    """Decoding gives a grid that encodes to the very same text, or a reason why there is none."""
    try:
        grid = encoder.decode(text)
    except UndecodableGrid as error:
        return None if str(error) else pytest.fail("refused without a reason")
    assert grid_problem(grid) is None
    assert encoder.encode(grid) == text
    return grid


@given(encoders, grids_up_to(30))
def test_decoding_inverts_encoding(encoder: GridEncoder, grid: Grid) -> None:
    assert encoder.decode(encoder.encode(grid)) == grid


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_the_largest_and_the_smallest_grid(name: str) -> None:
    encoder = parse_encoder(name)
    for grid in (LARGEST_GRID, ((7,),), LARGEST_GRID[:1], tuple(row[:1] for row in LARGEST_GRID)):
        assert encoder.decode(encoder.encode(grid)) == grid
    with pytest.raises(UndecodableGrid):
        encoder.decode(encoder.encode((*LARGEST_GRID, (0,) * 30)))


@settings(max_examples=300)
@given(encoders, texts)
def test_any_text_is_refused_or_an_exact_encoding(encoder: GridEncoder, text: str) -> None:
    refused_or_exact(encoder, text)


@settings(max_examples=400)
@given(encoders, grids_up_to(12), st.data())
def test_one_changed_character_is_refused_or_another_grid(
    encoder: GridEncoder, grid: Grid, data: st.DataObject
) -> None:
    text = encoder.encode(grid)
    position = data.draw(st.integers(0, len(text)))
    replaced, replacement = data.draw(st.integers(0, 1)), data.draw(letters | st.just(""))
    changed = text[:position] + replacement + text[position + replaced :]
    assume(changed != text)
    assert refused_or_exact(encoder, changed) != grid


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MinimalGridEncoder()", "012\n345"),
        ("GridWithSeparationEncoder('|')", "0|1|2\n3|4|5"),
        ("RowNumberEncoder(MinimalGridEncoder())", "1 012\n2 345"),
        ("GridCodeBlockEncoder(MinimalGridEncoder())", "```grid\n012\n345\n```"),
        (DEMO, "```grid shape: 2x3\n1 012\n2 345\n```"),
    ],
)
def test_encodings_stay_as_they_are(name: str, text: str) -> None:
    assert parse_encoder(name).encode(((0, 1, 2), (3, 4, 5))) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no shape in the opening fence"),
        ("```grid shape: 2x3", "no shape in the opening fence"),
        ("```grid shape: 31x1\n1 0\n```", "no shape in the opening fence"),
        ("```grid shape: 0x1\n\n```", "no shape in the opening fence"),
        ("```grid shape: 1\u0663x1\n1 0\n```", "no shape in the opening fence"),
        ("```grid shape: 1x1\n1 0", "no closing fence"),
        ("```grid shape: 1x1\n1 0\n```\n", "no closing fence"),
        ("```grid shape: 1x1\n```", "no closing fence"),
        ("```grid shape: 2x1\n1 0\n3 0\n```", "wrong row number"),
        ("```grid shape: 2x1\n1 0\n\n```", "wrong row number"),
        ("```grid shape: 1x1\n1 \n```", "an empty row"),
        ("```grid shape: 1x2\n1 0a\n```", "a cell is no digit"),
        ("```grid shape: 2x2\n1 00\n2 0\n```", "ragged rows"),
        ("```grid shape: 1x30\n1 " + "0" * 31 + "\n```", "more than 30 rows or columns"),
        ("```grid shape: 3x2\n1 000\n2 000\n```", "rows do not match the announced shape"),
    ],
)
def test_reasons(text: str, reason: str) -> None:
    with pytest.raises(UndecodableGrid, match=reason):
        parse_encoder(DEMO).decode(text)


# --- how long an answer can get


@settings(max_examples=60)
@given(encoders, grids_up_to(4) | st.just(LARGEST_GRID), st.data())
def test_no_encoding_is_longer_than_its_beginnings_allow(encoder: GridEncoder, grid: Grid, data: st.DataObject) -> None:
    text = encoder.encode(grid)
    for end in [*range(min(40, len(text))), data.draw(st.integers(0, len(text)))]:
        assert encoder.longest(text[:end]) >= len(text)


@given(grids_up_to(30))
def test_an_announced_shape_tells_the_length(grid: Grid) -> None:
    text = parse_encoder(DEMO).encode(grid)
    assert parse_encoder(DEMO).longest(text) == len(text)


@pytest.mark.parametrize("beginning", ["Sure! Here is the output grid:", "```grid shape: 31x31\n1 012", "0" * 25])
def test_what_announces_no_shape_is_too_long_at_once(beginning: str) -> None:
    assert parse_encoder(DEMO).longest(beginning) < len(beginning)


# --- names


def test_names_compose() -> None:
    assert parse_encoder(DEMO) == GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))
    assert parse_encoder("""GridWithSeparationEncoder( "'(|)" )""") == GridWithSeparationEncoder("'(|)")


def test_a_name_is_never_evaluated(tmp_path: Path) -> None:
    for code in (f"open({str(tmp_path / 'made')!r}, 'w')", f"__import__('os').mkdir({str(tmp_path / 'made')!r})"):
        for name in (code, f"RowNumberEncoder({code})", f"GridWithSeparationEncoder({code})"):
            with pytest.raises(ValueError, match=r"open|__import__"):
                parse_encoder(name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("__import__('os')", "unknown encoder '__import__', allowed: GridCodeBlockEncoder, GridShapeEncoder, "),
        ("MinimalEncoder()", "unknown encoder 'MinimalEncoder', allowed: .*MinimalGridEncoder"),
        ("RowNumberEncoder(Minimal())", "unknown encoder 'Minimal'"),
        ("MinimalGridEncoder", "not an encoder: 'MinimalGridEncoder', write for example MinimalGridEncoder()"),
        ("MinimalGridEncoder(", "not an encoder: 'MinimalGridEncoder\\('"),
        ("", "not an encoder: ''"),
        ("a.MinimalGridEncoder()", "not an encoder: 'a.MinimalGridEncoder\\(\\)'"),
        ("[MinimalGridEncoder()][0]", "not an encoder"),
        ("MinimalGridEncoder() or exit()", "not an encoder"),
        ("MinimalGridEncoder('|')", "wrong arguments for MinimalGridEncoder"),
        ("RowNumberEncoder()", "wrong arguments for RowNumberEncoder"),
        ("GridWithSeparationEncoder()", "wrong arguments for GridWithSeparationEncoder"),
        ("RowNumberEncoder(MinimalGridEncoder(), 1)", "wrong arguments for RowNumberEncoder"),
        ("RowNumberEncoder(inner=MinimalGridEncoder())", "not an encoder"),
        ("RowNumberEncoder(*MinimalGridEncoder())", "not an encoder"),
        ("GridWithSeparationEncoder('')", "a separator is a quoted text without digits and newlines, found ''"),
        ("GridWithSeparationEncoder('1')", "a separator is a quoted text"),
        ("GridWithSeparationEncoder('\\n')", "a separator is a quoted text"),
        ("GridWithSeparationEncoder(b'|')", "a separator is a quoted text"),
        ("GridWithSeparationEncoder(x)", "a separator is a quoted text"),
        ("GridWithSeparationEncoder(f'{x}')", "a separator is a quoted text"),
        ("RowNumberEncoder(" * 300 + "MinimalGridEncoder()" + ")" * 300, "not an encoder"),
        ("1" + "+1" * 9000, "not an encoder"),
        ("Minimal\0GridEncoder()", "not an encoder"),
    ],
)
def test_bad_names_are_refused_in_words(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_encoder(name)


@given(texts)
def test_any_name_is_refused_with_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="encoder"):
        parse_encoder(name)
