"""What differs between two configs, in words, on hand-written ones."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.store.differences import SHOWN_AT_MOST, changed


def configs_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | configs_of(inner), max_leaves=10)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"max_steps": 300}, {"max_steps": 600}, ["max_steps: 300 -> 600"]),
        ({"a": {"target": "legacy-swap"}}, {"a": {"target": "any"}}, ["a.target: 'legacy-swap' -> 'any'"]),
        ({}, {"x": 3}, ["x: (absent) -> 3"]),
        ({"x": {"y": 3}}, {"x": {}}, ["x.y: 3 -> (absent)"]),
        ({"x": None}, {}, ["x: None -> (absent)"]),
        ({"train": [{"d": "a"}]}, {"train": [{"d": "b"}]}, ["train.0.d: 'a' -> 'b'"]),
        ({"d": [1, 2]}, {"d": [1, 2, 3]}, ["d: [1, 2] -> [1, 2, 3]"]),
        ({"x": {"y": 1}}, {"x": [1]}, ["x: {'y': 1} -> [1]"]),
        ({"x": 1}, {"x": 1.0}, ["x: 1 -> 1.0"]),
        ({"x": 1}, {"x": True}, ["x: 1 -> True"]),
        ({"x": (1, 2)}, {"x": [1, 2]}, []),
        ({"b": 1, "c": 2, "a": 3}, {"a": 4, "d": 5, "b": 2, "c": 2}, ["b: 1 -> 2", "a: 3 -> 4", "d: (absent) -> 5"]),
    ],
)
def test_every_changed_field_is_a_line(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    assert changed(old, new) == lines


@given(configs_of(values))
def test_nothing_differs_from_itself_in_whatever_order(config: dict[str, Any]) -> None:
    assert changed(config, dict(reversed(config.items()))) == []


@given(configs_of(values), configs_of(values))
def test_both_directions_change_the_same_fields(old: dict[str, Any], new: dict[str, Any]) -> None:
    there, back = changed(old, new), changed(new, old)
    assert len(there) == len(back)
    assert bool(there) == bool(back)


def test_long_values_are_shortened_but_stay_different() -> None:
    assert changed({"x": ""}, {"x": "y" * 100}) == [f"x: '' -> '{'y' * 56}..."]
    (line,) = changed({"x": "y" * 100 + "a"}, {"x": "y" * 100 + "b" * 100})
    old, new = line.removeprefix("x: ").split(" -> ")
    assert old == f"...{'y' * 15}a'"
    assert new.startswith(f"...{'y' * 15}bbb")
    assert len(new) == SHOWN_AT_MOST
