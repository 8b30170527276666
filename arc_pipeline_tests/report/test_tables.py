"""Sheets for people: cells, marks, pivots by hand-made rows; and the same sheet on a wide and a narrow screen."""

import json
import re
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from rich.console import Console

from arc_pipeline.arc.evaluation.results import DURATION_COLUMNS, SHOWN_METRICS, TEMPERATURE_COLUMNS, frame_of
from arc_pipeline.cli.console import print_sheet
from arc_pipeline.report.charts.series import series_names, with_series
from arc_pipeline.report.tables import (
    Cell,
    duration_sheets,
    markdown,
    metric_cell,
    model_sheets,
    percent,
    step_sheets,
    temperature_sheets,
)

FULL: dict[str, Any] = {"tuning": {"method": "full", "rank": 32}, "seed": 7, "augmentation": {"target": "any"}}
ROW: dict[str, Any] = {
    **{"experiment": "fixed", "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "model": "tiny"},
    **{"tuning": "full", "rank": 32, "max_steps": 600, "settings": json.dumps(FULL), "n": 32},
    **{"accuracy": 0.984, "correct_pixels": 0.25, "correct_size": 1.0, "pass_n": 0.9, "vote_2": 0.8},
    **{"planned": 320, "answered": 319, "decoded": 318, "tasks": 10, "test_pairs": 11, "best": []},
    **{"intervals": {name: [0.948, 1.0] for name in SHOWN_METRICS}, "trace": "metrics[fixed/t0.0]@abc"},
    **{"contamination": ""},
}
LORA = json.dumps(FULL | {"tuning": {"method": "lora", "rank": 8}})
LEGACY = json.dumps(FULL | {"augmentation": {"target": "legacy-swap"}})


def row(fields: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (ROW | changes).items() if fields is None or name in fields}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return frame_of(pa.Table.from_pylist(list(rows)))


@pytest.mark.parametrize(("share", "text"), [(0, "0.0"), (1, "100.0"), (1 / 3, "33.3"), (0.0005, "0.1")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_cell_has_its_interval_its_mark_and_its_origin() -> None:
    [cells] = frame(row(best=["accuracy"])).to_dict("records")
    cell = metric_cell(cells, "accuracy")
    assert cell == Cell("98.4", "[95, 100]", True, "metrics[fixed/t0.0]@abc")
    assert str(cell) == "98.4* [95, 100]"
    assert not metric_cell(cells, "vote_2").best


def test_models_have_a_sheet_a_dataset_with_greedy_rows_only() -> None:
    rows = [row(), row(experiment="bug"), row(dataset="other"), row(temperature=1.0, decoding="t1.0")]
    other, ten = model_sheets(frame(*rows))
    assert other.title == "other, n = 10 tasks, 11 test pairs, 32 predictions each, temperature 0.0"
    assert ten.columns == ("experiment", "accuracy", "correct_pixels", "correct_size", "pass_32", "vote_2",
                           "decoded/answered/planned", "version")  # fmt: skip
    assert [str(cells[0]) for cells in ten.rows] == ["fixed", "bug"]
    assert [str(cell) for cell in ten.rows[0][-2:]] == ["318/319/320", "abc"]


def test_different_numbers_of_predictions_have_a_column() -> None:
    [sheet] = temperature_sheets(frame(row(TEMPERATURE_COLUMNS), row(TEMPERATURE_COLUMNS, n=8)))
    assert sheet.columns[:6] == ("experiment", "temperature", "accuracy", "pass_n", "vote_2", "n")
    assert [str(cells[5]) for cells in sheet.rows] == ["32", "8"]
    assert "8 to 32 predictions" in sheet.title


def test_what_was_trained_on_is_said() -> None:
    assert "all experiments: trained-on" in model_sheets(frame(row(contamination="trained-on")))[0].notes
    two = [row(contamination="3 of 11 test pairs are in training"), row(experiment="bug")]
    assert model_sheets(frame(*two))[0].notes[1:] == ("fixed: 3 of 11 test pairs are in training",)


def test_notes_say_whether_anything_is_best() -> None:
    assert "no experiment beats every other beyond chance" in model_sheets(frame(row()))[0].notes[0]
    assert "* beats every other experiment here" in model_sheets(frame(row(best=["vote_2"])))[0].notes[0]


def test_durations_are_a_pivot_of_capacity_and_steps() -> None:
    rows = [
        row(DURATION_COLUMNS, max_steps=100, experiment="short", accuracy=0.25),
        row(DURATION_COLUMNS, max_steps=600, experiment="long", accuracy=0.75),
        row(DURATION_COLUMNS, tuning="lora", rank=8, settings=LORA, max_steps=100, experiment="lora", accuracy=0.5),
    ]
    accuracy, vote, behind = duration_sheets(frame(*rows))
    assert accuracy.columns == ("trained", "100 steps", "600 steps")
    assert [[str(cell) for cell in cells] for cells in accuracy.rows] == [
        ["full", "25.0 [95, 100]", "75.0 [95, 100]"],
        ["LoRA r=8", "50.0 [95, 100]", ""],
    ]
    assert "vote_2" in vote.title
    assert [[str(cell) for cell in cells[:3]] for cells in behind.rows] == [
        ["full", "100", "short"],
        ["full", "600", "long"],
        ["LoRA r=8", "100", "lora"],
    ]


def test_series_are_named_by_what_tells_them_apart() -> None:
    assert series_names([ROW["settings"]]) == ["full"]
    assert series_names([ROW["settings"], LEGACY, LORA]) == [
        "full, target any",
        "full, target legacy-swap",
        "LoRA r=8, target any",
    ]
    assert series_names([]) == []


def test_the_longest_series_stands_first() -> None:
    lora = [row(experiment=f"lora-{steps}", settings=LORA, tuning="lora", rank=8, max_steps=steps) for steps in (1, 2)]
    found = with_series(frame(row(experiment="one", max_steps=1), *lora)).groupby("series", sort=False)["experiment"]
    assert found.agg(list).to_list() == [["lora-1", "lora-2"], ["one"]]


def test_an_experiment_that_repeats_another_has_a_series_of_its_own() -> None:
    rows = [row(experiment="a"), row(experiment="b"), row(experiment="c", max_steps=50), row(experiment="d")]
    found = with_series(frame(*rows)).groupby("series")["experiment"].agg(list)
    assert found.to_dict() == {"full (c)": ["c", "a"], "full (b)": ["b"], "full (d)": ["d"]}


def test_steps_of_one_training() -> None:
    fields = [name for name in ROW if name not in {"trace", "best", "experiment"}]
    [sheet] = step_sheets(frame(*({"step": step, **row(fields)} for step in (50, 100))))
    assert sheet.columns == ("step", "accuracy", "correct_pixels", "correct_size", "pass_32", "vote_2",
                             "decoded/answered/planned")  # fmt: skip
    assert [str(cells[0]) for cells in sheet.rows] == ["50", "100"]


@pytest.mark.parametrize("make", [model_sheets, temperature_sheets, duration_sheets, step_sheets])
def test_no_rows_make_no_sheets(make: Any) -> None:
    assert make(pd.DataFrame()) == []
    assert markdown([]) == ""


def test_markdown_has_a_line_a_row_and_bold_marks() -> None:
    lines = markdown(model_sheets(frame(row(best=["accuracy"])))).splitlines()
    assert re.match(r"\| experiment +\| accuracy +\|", lines[2])
    assert re.match(r"\| fixed +\| \*\*98\.4\*\*\\\* \[95, 100\] +\| 25\.0 \[95, 100\] +\|", lines[4])
    assert lines[4].count("|") == lines[2].count("|") == lines[3].count("|")


def test_a_sheet_is_a_frame_that_pandas_writes_for_a_paper() -> None:
    [sheet] = model_sheets(frame(row(best=["accuracy"])))
    assert "fixed & 98.4* [95, 100] & 25.0 [95, 100]" in sheet.frame.map(str).to_latex(index=False)


@pytest.mark.parametrize("width", [80, 140, 200])
def test_a_sheet_fits_the_screen_and_loses_no_number(width: int) -> None:
    console = Console(width=width, record=True, force_terminal=False)
    [sheet] = model_sheets(frame(row(), row(experiment="demo-legacy-swap", best=["vote_2"])))
    print_sheet(sheet, console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for shown in ("98.4", "[95, 100]", "80.0*", "demo-legacy-swap", "318/319/320"):
        assert shown in text
