"""Curves: a small PNG for whatever rows there are, more pictures for more lines, and where the points lie."""

import json
import struct
from typing import Any

import pandas as pd
import pytest

from arc_pipeline.arc.evaluation.breakdown import GROUPINGS
from arc_pipeline.report.charts.curves import (
    GROUPING_AXES,
    Line,
    draw_breakdowns,
    draw_capacity_and_duration,
    draw_over_predictions,
    draw_over_steps,
    draw_panel,
    draw_trainings,
)
from arc_pipeline.report.charts.figure import DOTS_PER_INCH, WIDTH_CM
from arc_pipeline.report.data_uris import MOST_BYTES

METRICS = ("accuracy", "correct_size", "pass_n", "vote_2")
FULL = {"tuning": {"method": "full", "rank": 32}}


def row(**changes: Any) -> dict[str, Any]:
    about = {"experiment": "one", "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "n": 8, "tasks": 10}
    about |= {"tuning": "full", "rank": 32, "settings": json.dumps(FULL), "max_steps": 100, "step": 100}
    ends = {f"{name}_{end}": share for name in METRICS for end, share in (("low", 0.25), ("high", 0.75))}
    return about | dict.fromkeys(METRICS, 0.5) | ends | changes


STEPS = pd.DataFrame([row(step=step) for step in (50, 100, 200)])
PREDICTIONS = pd.DataFrame([row(n=n, decoding=f"t{t}", temperature=t) for t in (0.0, 1.0) for n in (1, 2, 4, 8)])
DURATION = pd.DataFrame([row(max_steps=steps) for steps in (100, 300)])
BINS = pd.DataFrame([row(grouping=name, bin="1-9", order=0) for name in GROUPINGS])
NOTHING = pd.DataFrame()


def of_experiments(*names: str) -> pd.DataFrame:
    return pd.concat([STEPS.assign(experiment=name) for name in names])


def is_a_png_of_the_promised_width(png: bytes) -> bool:
    width = struct.unpack(">I", png[16:20])[0]
    return png.startswith(b"\x89PNG") and width == pytest.approx(WIDTH_CM / 2.54 * DOTS_PER_INCH, abs=1)


def test_each_figure_is_a_small_png_of_the_promised_width() -> None:
    drawn = [
        *draw_over_steps(STEPS, "one"),
        *draw_trainings(of_experiments("one", "two")),
        *draw_capacity_and_duration(DURATION),
        *draw_over_predictions(PREDICTIONS, "one"),
        *draw_breakdowns(BINS, "one"),
    ]
    assert len(drawn) == 5
    assert all(map(is_a_png_of_the_promised_width, drawn))
    assert all(len(png) < 0.7 * MOST_BYTES for png in drawn)


def test_each_dataset_has_a_figure() -> None:
    assert len(draw_over_steps(pd.concat([STEPS, STEPS.assign(dataset="other")]), "one")) == 2
    assert len(draw_breakdowns(pd.concat([BINS, BINS.assign(dataset="other")]), "one")) == 2


def test_nothing_to_draw() -> None:
    assert draw_over_steps(NOTHING, "one") == draw_trainings(NOTHING) == draw_capacity_and_duration(NOTHING) == []
    assert draw_over_predictions(NOTHING, "one") == draw_breakdowns(NOTHING, "one") == []
    # a point is no curve: one training says nothing of duration
    assert draw_capacity_and_duration(DURATION[:1]) == []


def test_more_lines_than_can_be_told_apart_are_several_pictures() -> None:
    assert len(draw_trainings(of_experiments(*(f"e{number}" for number in range(7))))) == 1
    assert len(draw_trainings(of_experiments(*(f"e{number}" for number in range(16))))) == 3


@pytest.mark.parametrize("points", [1, 2, 40])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_points_and_bars_lie_where_they_should(points: int, logarithmic: bool) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    lines = [Line(name, tuple((x + 1, (0.5, 0.25, 1.0)) for x in range(points))) for name in "ab"]
    draw_panel(axes, "vote_2", lines, logarithmic)
    assert axes.get_ylabel() == "vote_2 (%)"
    first, *_ = [container.lines[0] for container in axes.containers]
    assert list(first.get_ydata()) == [50.0] * points
    assert list(first.get_xdata()) == pytest.approx([x + 1 for x in range(points)], rel=0.1, abs=0.03 * points)
    bars = axes.containers[0].lines[2][0].get_segments()[0]
    assert (bars[0][1], bars[1][1]) == (25.0, 100.0)


def test_the_groupings_of_a_breakdown_have_axes() -> None:
    assert GROUPING_AXES.keys() == GROUPINGS.keys()
