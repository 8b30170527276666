"""What the report shows of a store: tables, and pictures of all experiments and of each. Knows no page."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from arc_pipeline.arc.evaluation.breakdown import BIN_METRICS
from arc_pipeline.arc.evaluation.metrics import TEMPERATURE_METRICS
from arc_pipeline.arc.evaluation.prediction_curve import CURVE_METRICS
from arc_pipeline.arc.evaluation.results import NEEDED, TABLES, frame_of, lacking_columns
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.errors import ArcPipelineError, words_of
from arc_pipeline.report.charts.curves import (
    draw_breakdowns,
    draw_capacity_and_duration,
    draw_over_predictions,
    draw_over_steps,
    draw_trainings,
)
from arc_pipeline.report.charts.training_plot import loss_plot
from arc_pipeline.report.grids.gallery import gallery, worth_a_look
from arc_pipeline.report.leaderboard import Entry, leaderboard, origin_of
from arc_pipeline.report.load_answers import answers_of
from arc_pipeline.report.tables import SHEETS, Sheet
from arc_pipeline.report.traces import Trace, traces_of
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa
    from pandas import DataFrame

_Shown = TypeVar("_Shown")
# what reading a damaged or an incomplete file ends with; pyarrow's and JSON's errors are ValueErrors
UNREADABLE = (ArcPipelineError, OSError, ValueError, LookupError, TypeError)
MOST_ANSWERS = 6
TITLES = {"models": "Models", "temperatures": "Does the temperature matter?", "duration": "Capacity and duration"}
# what is drawn of each asset
COLUMNS: dict[str, Sequence[str]] = {
    **{asset: NEEDED[table] for table, asset in TABLES.items()},
    **{"training_curve": TEMPERATURE_METRICS, "prediction_curve": CURVE_METRICS, "breakdown": BIN_METRICS},
}


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows in words."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Contents:
    """`tables` by title; `curves` over experiments; `experiments` and `galleries` have the pictures of each by name.

    `leaders` are the rows of the leaderboard, `traces` what these were made from. `problems` say in a sentence each
    what could not be read and is left out.
    """

    tables: dict[str, list[Sheet]]
    curves: list[Picture]
    experiments: dict[str, list[Picture]]
    galleries: dict[str, list[Picture]]
    problems: tuple[str, ...] = ()
    leaders: tuple[Entry, ...] = ()
    traces: Mapping[str, Trace] = field(default_factory=dict)


def read_contents(
    store: Store, experiments: Sequence[str], stale: Callable[[Sequence[str]], Collection[str]] = lambda traces: ()
) -> Contents:
    """Everything that was materialized; what was not is left out. `stale` says which of the traces of rows are."""
    problems: list[str] = []

    def readable(what: str, read: Callable[[], list[_Shown]]) -> list[_Shown]:
        try:
            return read()
        except UNREADABLE as error:
            problems.append(f"{what} cannot be shown: {words_of(error)}; arc-pipeline doctor looks for the cause")
            return []

    # a table is read, and what of it is stale found out, once
    results = cache(partial(_results, store, stale=stale))
    tables = {title: readable(title, partial(_sheets, results, name)) for name, title in TITLES.items()}
    leaders = readable("the leaderboard", lambda: leaderboard(results("models"), partial(origin_of, store)))
    traces = dict(readable("where the leaderboard comes from", lambda: [*traces_of(store, leaders).items()]))
    curves = readable("curves over experiments", lambda: curves_over_experiments(store, experiments))
    pictures, galleries = (
        {name: readable(f"{what} of {name}", partial(draw, store, name)) for name in experiments}
        for what, draw in (("pictures", experiment_pictures), ("answers", answer_pictures))
    )
    return Contents(
        {title: sheets for title, sheets in tables.items() if sheets},
        curves,
        {name: found for name, found in pictures.items() if found},
        {name: found for name, found in galleries.items() if found},
        tuple(problems),
        tuple(leaders),
        traces,
    )


def _sheets(results: "Callable[[str], DataFrame]", table: str) -> list[Sheet]:
    return SHEETS[table](results(table))


def _results(store: Store, table: str, stale: Callable[[Sequence[str]], Collection[str]]) -> "DataFrame":
    """A table over experiments, with a column that says which rows are stale."""
    rows = _frame(store, TABLES[table])
    return rows if rows.empty else rows.assign(stale=rows["trace"].isin(list(stale(rows["trace"]))))


def curves_over_experiments(store: Store, experiments: Sequence[str]) -> list[Picture]:
    """Whole trainings of several lengths, then the way of single trainings."""
    import pandas as pd

    whole = draw_capacity_and_duration(_frame(store, TABLES["duration"]))
    curves = [_frame(store, "training_curve", name).assign(experiment=name) for name in experiments]
    single = draw_trainings(pd.concat([pd.DataFrame(), *(curve for curve in curves if not curve.empty)]))
    return [
        *(Picture(png, "Metrics against the steps of whole trainings, greedy decoding") for png in whole),
        *(Picture(png, "Metrics on the way of single trainings, greedy decoding") for png in single),
    ]


def experiment_pictures(store: Store, name: str) -> list[Picture]:
    """How it was trained, and what its numbers hide."""
    log = _table(store, "checkpoint", name, "training_log")
    drawn = {
        "Loss and learning rate": [loss_plot(log.to_pylist())] if log else [],
        "Metrics against training steps": draw_over_steps(_frame(store, "training_curve", name), name),
        "Metrics against the number of predictions, then against the seconds that these took": draw_over_predictions(
            _frame(store, "prediction_curve", name), name
        ),
        "Metrics by the size of tasks": draw_breakdowns(_frame(store, "breakdown", name), name),
    }
    return [Picture(png, caption) for caption, pngs in drawn.items() for png in pngs]


def answer_pictures(store: Store, name: str) -> list[Picture]:
    """What the model answered to the three tasks of the original study and where it failed, with greedy decoding."""
    decoding = next(iter(DECODINGS))
    if not all(store.lineage(Artefact(asset, f"{name}/{decoding}")) for asset in ("predictions", "attempts")):
        return []
    chosen = worth_a_look(answers_of(store, name, decoding))[:MOST_ANSWERS]
    return [
        Picture(png, f"{pair.task.task_id} of {pair.dataset}, test pair {pair.test_index}")
        for pair, png in zip(chosen, gallery(chosen), strict=True)
    ]


def _frame(store: Store, asset: str, partition: str = "") -> "DataFrame":
    """Empty where there is none, or one of an older version: that is shown once it was made again."""
    import pandas as pd

    table = _table(store, asset, partition)
    return frame_of(table) if table and not lacking_columns(table, COLUMNS[asset]) else pd.DataFrame()


def _table(store: Store, asset: str, partition: str = "", name: str = "") -> "pa.Table | None":
    """None where there is none, or it has no rows."""
    artefact = Artefact(asset, partition)
    if store.lineage(artefact) is None:
        return None
    table = read_table(store.current(artefact), name or asset)
    return table if table.num_rows else None
