"""The picture of a training: small, a PNG, and drawn from whatever a log has."""

import struct

import pytest

from arc_pipeline.report.charts.figure import DOTS_PER_INCH, WIDTH_CM
from arc_pipeline.report.charts.training_plot import MOST_POINTS, loss_plot, points

ROWS = [{"step": 10 * k, "loss": 2 / k, "learning_rate": 1e-3 / k} for k in range(1, 40)]
VALIDATION = [{"step": 100, "eval_loss": 1.5}, {"step": 300, "eval_loss": 1.2}]
LONG = [{"step": k, "loss": 1 + (k * 7919 % 1000) / 1000, "learning_rate": 1e-4} for k in range(1, 100_001)]


@pytest.mark.parametrize("rows", [ROWS, [*ROWS, *VALIDATION], ROWS[:1], [], LONG, [{"step": 1, "loss": float("nan")}]])
def test_a_small_png_of_the_promised_width(rows: list[dict[str, float]]) -> None:
    png = loss_plot(rows)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 150_000
    assert struct.unpack(">I", png[16:20])[0] == pytest.approx(WIDTH_CM / 2.54 * DOTS_PER_INCH, abs=1)


def test_validation_is_drawn_where_there_is_one() -> None:
    assert loss_plot([*ROWS, *VALIDATION]) != loss_plot(ROWS)


def test_a_long_log_is_thinned_and_keeps_its_ends() -> None:
    steps, _ = points(LONG, "loss")
    assert len(steps) <= MOST_POINTS + 1
    assert (steps[0], steps[-1]) == (1, 100_000)
    assert points([{"step": 1, "loss": None}, {"step": 2, "loss": float("inf")}, {"step": 3}], "loss") == ([], [])
