"""Tables for people: the same columns in every row, whatever the experiments have in common."""

from typing import Any

import pytest

from arc_pipeline.arc.results import (
    DURATION_COLUMNS,
    RESULT_FIELDS,
    TEMPERATURE_COLUMNS,
    duration_rows,
    percent,
    shown_rows,
    what_it_shows,
)

ROW: dict[str, Any] = {
    **{"experiment": "fixed", "dataset": "ten", "decoding": "greedy", "temperature": 0.0, "model": "tiny"},
    **{"tuning": "lora", "rank": 32, "max_steps": 600, "n": 32, "accuracy": 0.5, "correct_pixels": 0.25},
    **{"correct_size": 1.0, "unanswered": 0.0, "pass_n": 0.9, "vote_1": 0.7, "vote_2": 0.8, "task_score": 0.8},
    **{"task_solved": 0.8, "pair_score": 0.8, "planned": 320, "answered": 319, "decoded": 318, "tasks": 10},
    **{"test_pairs": 10, "intervals": "{}", "trace": "abc"},
}


def row(fields: tuple[str, ...] | list[str] = tuple(ROW), **changes: Any) -> dict[str, Any]:
    """A row of the results with these fields."""
    return {name: value for name, value in (ROW | changes).items() if name in fields}


@pytest.mark.parametrize(("share", "text"), [(0, "0.0%"), (1, "100.0%"), (1 / 3, "33.3%"), (0.0005, "0.1%")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize("fields", [tuple(ROW), RESULT_FIELDS])
def test_a_result_shows_its_keys_metrics_and_counts(fields: tuple[str, ...]) -> None:
    [shown] = shown_rows([row(fields)])
    assert list(shown.items()) == [
        *(("experiment", "fixed"), ("dataset", "ten"), ("temperature", "0.0")),
        *(("accuracy", "50.0%"), ("correct_pixels", "25.0%"), ("correct_size", "100.0%"), ("pass_32", "90.0%")),
        *(("vote_2", "80.0%"), ("planned", "320"), ("answered", "319"), ("decoded", "318")),
    ]


def test_each_table_shows_what_it_compares() -> None:
    [temperatures], [durations] = shown_rows([row(TEMPERATURE_COLUMNS)]), shown_rows([row(DURATION_COLUMNS)])
    assert list(temperatures) == ["experiment", "dataset", "temperature", "accuracy", "pass_32", "vote_2"]
    assert list(durations)[:5] == ["experiment", "dataset", "tuning", "max_steps", "accuracy"]
    assert list(durations)[5:] == ["correct_pixels", "correct_size", "pass_32", "vote_2"]


@pytest.mark.parametrize("fields", [RESULT_FIELDS, TEMPERATURE_COLUMNS, DURATION_COLUMNS])
def test_different_numbers_of_predictions_share_their_columns(fields: list[str]) -> None:
    shown = shown_rows([row(fields), row(fields, n=8, pass_n=0.1), row(fields)])
    assert len({tuple(each) for each in shown}) == 1
    assert [(each["n"], each["pass_n"]) for each in shown] == [("32", "90.0%"), ("8", "10.0%"), ("32", "90.0%")]
    names = list(shown[0])
    assert names[names.index("n") + 1] == "accuracy"


def test_what_only_some_rows_have_is_not_shown() -> None:
    shown = shown_rows([row(), row(DURATION_COLUMNS)])
    assert shown[0] == shown[1]
    assert list(shown[0]) == [
        "experiment",
        "dataset",
        *("accuracy", "correct_pixels", "correct_size"),
        "pass_32",
        "vote_2",
    ]


def test_no_rows() -> None:
    assert shown_rows([]) == []
    assert duration_rows([]) == []


def test_durations_are_greedy_and_in_order() -> None:
    ordered = [
        row(dataset="a", tuning="full", rank=32, max_steps=900),
        row(dataset="a", tuning="lora", rank=8, max_steps=900),
        row(dataset="a", tuning="lora", rank=16, max_steps=50),
        row(dataset="a", tuning="lora", rank=16, max_steps=100),
        row(dataset="b", tuning="full", rank=8, max_steps=10),
    ]
    sampled = row(dataset="a", temperature=0.5)
    assert duration_rows([sampled, *reversed(ordered)]) == ordered


def test_what_the_bug_costs_is_told_at_temperature_0() -> None:
    rows = [
        row(vote_2=0.8),
        row(experiment="bug", vote_2=0.3),
        row(temperature=1.0, vote_2=0.1),
        row(experiment="bug", temperature=1.0, vote_2=0.9),
    ]
    assert what_it_shows(rows, "fixed", "bug") == (
        "At temperature 0, vote_2 is 80.0% where test pairs are trained on (fixed) and 30.0% where the bug keeps them "
        "out (bug): the bug costs 50 points, with nothing else changed."
    )
