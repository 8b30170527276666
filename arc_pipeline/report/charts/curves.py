"""Curves of metrics with their 95 % intervals: against training steps, predictions, or the size of a task.

Knows DataFrames of metrics, not their origin. Every figure says over how many tasks it is.
"""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arc_pipeline.arc.evaluation.breakdown import BIN_METRICS
from arc_pipeline.arc.evaluation.metrics import BY_NAME, TEMPERATURE_METRICS, ranked_in
from arc_pipeline.arc.evaluation.prediction_curve import CURVE_METRICS
from arc_pipeline.report.charts.figure import COLOURS, DASHES, MARKERS, figure_png, step_axis, steps_label
from arc_pipeline.report.charts.series import with_series
from arc_pipeline.report.tables import by_dataset, decoding_labels, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

# the height of a figure: its only panel or each of several, each line of its legend, and title and axis
ONLY_PANEL_CM, PANEL_CM, LEGEND_LINE_CM, REST_CM = 5.0, 3.4, 0.36, 1.7
MOST_LINES = len(COLOURS)
LONGEST_LABEL, SHORT_LABEL = 46, 22
TITLE_CHARACTERS = 50
INTERVAL = "bars: 95 % interval"
GROUPING_AXES = {
    "input_cells": "cells of the test input",
    "output_cells": "cells of the test output",
    "demonstrations": "demonstrations",
}
TWO_METRICS = ("accuracy", "vote_2")


@dataclass(frozen=True)
class Line:
    """Points of one line: where, and (mean, low, high) as shares from 0 to 1."""

    label: str
    points: tuple[tuple[float, tuple[float, float, float]], ...]


@dataclass(frozen=True)
class Curves:
    """Panels one below the other that share their horizontal axis, each a metric with the same lines."""

    title: str
    panels: Mapping[str, Sequence[Line]]
    axis: "Callable[[Axes], None]"
    logarithmic: bool = False


def draw_over_steps(curve: "DataFrame", name: str) -> list[bytes]:
    """One training_curve: for each dataset accuracy, pass_n and vote_2 against steps, temperature 0."""
    figures = []
    for dataset, rows in by_dataset(curve):
        titles = {metric: BY_NAME[metric].title(rows["n"].iloc[0]) for metric in TEMPERATURE_METRICS}
        lines = [_line(title, rows, "step", metric) for metric, title in titles.items()]
        figures.append(Curves(_title(f"{name}, {dataset}, temperature 0", rows), {"%": lines}, step_axis))
    return _pngs(figures)


def draw_trainings(curves: "DataFrame") -> list[bytes]:
    """The training_curves of several experiments: for each dataset a panel a metric, a line an experiment."""
    figures = []
    for dataset, rows in by_dataset(curves):
        panels = {metric: _lines_by(rows, "experiment", "step", metric) for metric in TWO_METRICS}
        figures.append(Curves(_title(f"{dataset}, temperature 0", rows), panels, step_axis))
    return _pngs(figures)


def draw_capacity_and_duration(durations: "DataFrame") -> list[bytes]:
    """The duration_table: for each dataset a panel a metric, a line a series; none without a line of two."""
    figures = []
    for dataset, of_dataset in by_dataset(durations):
        rows = with_series(of_dataset)
        if rows["series"].duplicated().any():
            panels = {metric: _lines_by(rows, "series", "max_steps", metric) for metric in TWO_METRICS}
            title = _title(f"{dataset}, temperature 0", rows)
            figures.append(Curves(title, panels, _whole_trainings, logarithmic=True))
    return _pngs(figures)


def draw_over_predictions(curve: "DataFrame", name: str) -> list[bytes]:
    """One prediction_curve: for each dataset a panel a metric, a line a temperature; against the number of predictions,
    then against the seconds that these took."""
    figures = []
    for dataset, rows in by_dataset(curve):
        labelled = rows.assign(label=decoding_labels(rows, "temperature "))
        known = [*CURVE_METRICS, *ranked_in(rows.dropna(axis="columns", how="all"))]
        for x, axis, metrics in (("n", _predictions, known), ("seconds", _seconds, known[1:])):
            if x in rows and (rows[x] > 0).all():
                panels = {metric: _lines_by(labelled, "label", x, metric) for metric in metrics}
                figures.append(Curves(_title(f"{name}, {dataset}", rows), panels, axis, logarithmic=True))
    return _pngs(figures)


def draw_breakdowns(breakdown: "DataFrame", name: str) -> list[bytes]:
    """One breakdown: for each dataset a panel a grouping, a line a metric, at the first decoding."""
    if breakdown.empty:
        return []
    first = breakdown[breakdown["decoding"] == breakdown["decoding"].iloc[0]]
    [label] = decoding_labels(first.head(1), "temperature ")
    return [
        _breakdown_png(f"{name}, {dataset}\n{label}, n: tasks, {INTERVAL}", rows) for dataset, rows in by_dataset(first)
    ]


def _breakdown_png(title: str, rows: "DataFrame") -> bytes:
    def draw(figure: "Figure") -> None:
        panels = figure.subplots(len(GROUPING_AXES), 1)
        for axes, (grouping, label) in zip(panels, GROUPING_AXES.items(), strict=True):
            bins = rows[rows["grouping"] == grouping].reset_index(drop=True).reset_index(names="place")
            draw_panel(axes, "%", [_line(metric, bins, "place", metric) for metric in BIN_METRICS])
            axes.set_xticks(bins["place"], bins["bin"] + "\nn=" + bins["tasks"].astype(str))
            axes.set_xlim(-0.5, len(bins) - 0.5)
            axes.set_xlabel(label)
        figure.suptitle(title, fontsize=8, x=0.02, horizontalalignment="left")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=len(BIN_METRICS))

    return figure_png(4.2 * len(GROUPING_AXES) + 1.5, draw)


def _line(label: str, rows: "DataFrame", x: str, metric: str) -> Line:
    columns = [x, metric, f"{metric}_low", f"{metric}_high"]
    ordered = rows.sort_values(x, kind="stable")[columns].itertuples(index=False, name=None)
    return Line(label, tuple((at, (mean, low, high)) for at, mean, low, high in ordered))


def _lines_by(rows: "DataFrame", key: str, x: str, metric: str) -> list[Line]:
    return [_line(str(name), of_name, x, metric) for name, of_name in rows.groupby(key, sort=False)]


def _title(words: str, rows: "DataFrame") -> str:
    return f"{textwrap.fill(words, TITLE_CHARACTERS)}\nn = {span(rows['tasks'])} tasks, {INTERVAL}"


def _whole_trainings(axes: "Axes") -> None:
    axes.set_xlabel("training steps (each point: one training)")
    axes.xaxis.set_major_formatter(lambda step, _: steps_label(step))


def _predictions(axes: "Axes") -> None:
    axes.set_xlabel("predictions per test pair")
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:g}")


def _seconds(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator

    axes.set_xlabel("seconds for all test pairs, with scoring")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:.2g}")


def _pngs(figures: Sequence[Curves]) -> list[bytes]:
    """Where one has more lines than can be told apart, several."""
    counts = [max(map(len, curves.panels.values())) for curves in figures]
    return [
        _png(curves, start)
        for curves, count in zip(figures, counts, strict=True)
        for start in range(0, count, MOST_LINES)
    ]


def _png(curves: Curves, start: int) -> bytes:
    shown = {name: lines[start : start + MOST_LINES] for name, lines in curves.panels.items()}
    n_lines = max(len(lines) for lines in shown.values())
    columns = 2 if max(len(line.label) for lines in shown.values() for line in lines) < SHORT_LABEL else 1
    panels_cm = PANEL_CM * len(shown) if len(shown) > 1 else ONLY_PANEL_CM
    height = panels_cm + LEGEND_LINE_CM * math.ceil(n_lines / columns) + REST_CM

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, lines) in zip(panels, shown.items(), strict=True):
            draw_panel(axes, name, lines, curves.logarithmic)
        curves.axis(panels[-1])
        figure.align_ylabels()
        figure.suptitle(curves.title, fontsize=8, x=0.02, horizontalalignment="left")
        if n_lines > 1 or len(shown) == 1:
            handles, labels = panels[0].get_legend_handles_labels()
            short = [label[:LONGEST_LABEL] for label in labels]
            figure.legend(handles, short, loc="outside lower left", ncols=columns)

    return figure_png(height, draw)


def draw_panel(axes: "Axes", name: str, lines: Sequence[Line], logarithmic: bool = False) -> None:
    """Lines with error bars, a little beside one another so that none hides another."""
    places = sorted({x for line in lines for x, _ in line.points})
    if logarithmic and len(places) > 1:
        axes.set_xscale("log")
        axes.set_xticks(_thinned(places))
        axes.minorticks_off()
    for number, line in enumerate(lines):
        _draw_line(
            axes, line, number, [_beside(x, number - (len(lines) - 1) / 2, places, logarithmic) for x, _ in line.points]
        )
    highest = max((high for line in lines for _, (_, _, high) in line.points), default=1.0)
    axes.set_ylim(*((-4, 104) if highest > 0.5 else (-4 * highest, 108 * max(highest, 0.01))))
    if highest > 0.5:
        axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel(name if name == "%" else f"{name} (%)")


def _draw_line(axes: "Axes", line: Line, number: int, x: Sequence[float]) -> None:
    style: dict[str, Any] = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": DASHES[number]}
    means = [100 * mean for _, (mean, _, _) in line.points]
    below = [100 * (mean - low) for _, (mean, low, _) in line.points]
    above = [100 * (high - mean) for _, (mean, _, high) in line.points]
    axes.errorbar(x, means, yerr=(below, above), label=line.label, markersize=3, elinewidth=0.7, capsize=1.2, **style)


def _beside(x: float, offset: float, places: Sequence[float], logarithmic: bool) -> float:
    """Where a point is drawn whose line is `offset` lines from the middle one."""
    if len(places) < 2:
        return x + 0.02 * offset * max(x, 1)
    if logarithmic:
        return x * (places[-1] / places[0]) ** (0.012 * offset)
    return x + 0.012 * offset * (places[-1] - places[0])


def _thinned(places: Sequence[float]) -> list[float]:
    """At most eight of them, the last among them, so that their labels do not touch."""
    return list(places[:: -math.ceil(len(places) / 8)])
