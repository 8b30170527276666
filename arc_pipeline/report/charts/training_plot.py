"""The curve of a training as a picture: loss and learning rate against steps. Knows rows of the log, not their origin.

Drawn for a width of 8 cm and for readers who cannot tell red from green; matplotlib is imported when it is needed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arc_pipeline.report.charts.figure import figure_png, step_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_CM = 8.0
MOST_POINTS = 2000
TRAINING, VALIDATION, RATE = "#1f77b4", "#d55e00", "#444444"


def loss_plot(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG of `loss`, `eval_loss` where rows have one, and `learning_rate` against `step`."""

    def draw(figure: "Figure") -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 2.6))
        figure.align_ylabels()
        draw_losses(upper, rows)
        draw_learning_rate(lower, rows)

    return figure_png(HEIGHT_CM, draw)


def draw_losses(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """Both losses, on a logarithmic scale where they fall to less than a tenth."""
    training, validation = points(rows, "loss"), points(rows, "eval_loss")
    axes.plot(*training, color=TRAINING, label="training", **_dots(training, "o"))
    if validation[0]:
        axes.plot(*validation, color=VALIDATION, linestyle="--", label="validation", **_dots(validation, "s"))
        axes.legend(loc="upper right")
    values = [*training[1], *validation[1]]
    if values and 0 < min(values) < max(values) / 10:
        axes.set_yscale("log")
        _plain_ticks(axes, min(values), max(values))
    axes.set_ylabel("loss (nats/token)")


def draw_learning_rate(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """The learning rate in a round unit, such as 10⁻³."""
    steps, rates = points(rows, "learning_rate")
    exponent = math.floor(math.log10(max(rates))) if rates and max(rates) > 0 else 0
    scaled = [rate / 10.0**exponent for rate in rates]
    axes.plot(steps, scaled, color=RATE, **_dots((steps, rates), "o"))
    axes.set_ylim(bottom=0)
    unit = f"\n($10^{{{exponent}}}$)" if exponent else ""
    axes.set_ylabel(f"learning rate{unit}")
    step_axis(axes)


def points(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of the rows that have a finite one; of a very long log every n-th, and the last."""
    there = [(row["step"], row[name]) for row in rows if row.get(name) is not None and math.isfinite(row[name])]
    every = max(1, math.ceil(len(there) / MOST_POINTS))
    shown = there[::every] + (there[-1:] if (len(there) - 1) % every else [])
    return [step for step, _ in shown], [value for _, value in shown]


def _dots(drawn: tuple[list[float], list[float]], marker: str) -> dict[str, Any]:
    """Few points are shown as such: a line through one is nothing."""
    return {"marker": marker, "markersize": 2.5} if len(drawn[0]) <= 20 else {}


def _plain_ticks(axes: "Axes", low: float, high: float) -> None:
    """Few numbers, and no powers where plain numbers are shorter."""
    from matplotlib.ticker import LogLocator, NullFormatter

    subs = (1.0, 3.0) if high / low < 300 else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
