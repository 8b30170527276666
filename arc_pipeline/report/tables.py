"""Tables for people: cells with their interval, the best one marked, sheet by sheet. Knows DataFrames of results, no
screens.

Shares are in percent; an interval is the 95 % interval by bootstrap over tasks.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any, TypeAlias

from arc_pipeline.arc.augmentation.contamination import UNSEEN
from arc_pipeline.arc.evaluation.metrics import BY_NAME, SHOWN_METRICS, TEMPERATURE_METRICS, ranked_in
from arc_pipeline.arc.evaluation.results import greedy
from arc_pipeline.report.charts.series import with_series

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ResultRow: TypeAlias = Mapping[Hashable, Any]

PIVOTED = ("accuracy", "vote_2")
BEST = "*"
STALE = "†"
STALE_EXPLAINED = f"{STALE} is stale: the number does not hold any more"
EXPLAINED = "%, in brackets the 95 % interval (bootstrap over tasks)"
# what `arc-pipeline trace EXPERIMENT DECODING` begins with
SHOWN_VERSION = 8
CANDIDATE_COUNTS = "decoded/answered/planned"


@dataclass(frozen=True)
class Cell:
    """`best` beats every other that it is compared with, beyond chance; `trace` names the artefact it came from.

    What a `stale` one was made from has changed since.
    """

    text: str
    interval: str = ""
    best: bool = False
    trace: str = ""
    stale: bool = False

    @property
    def value(self) -> str:
        """Its text with its marks."""
        return f"{self.text}{BEST * self.best}{STALE * self.stale}"

    def __str__(self) -> str:
        return f"{self.value} {self.interval}".rstrip()


@dataclass(frozen=True)
class Sheet:
    """One table with its title and notes.

    The first `keys` columns say what a row is, the last `details` columns what its metrics were made of.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    keys: int = 1
    details: int = 0

    @property
    def counts(self) -> int | None:
        """The column with the counts of candidates, if there is one."""
        return self.columns.index(CANDIDATE_COUNTS) if CANDIDATE_COUNTS in self.columns else None

    @property
    def frame(self) -> "DataFrame":
        """The cells as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))


def percent(share: float) -> str:
    """A share from 0 to 1 as a cell shows it, without the sign."""
    return f"{100 * share:.1f}"


def metric_cell(row: ResultRow, metric: str) -> Cell:
    """A metric of a row with its interval; empty where it has no value."""
    if isnan(row[metric]):
        return Cell("", trace=row.get("trace", ""))
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    interval = f"[{100 * low:.0f}, {100 * high:.0f}]"
    best, stale = metric in row.get("best", ()), bool(row.get("stale", False))
    return Cell(percent(row[metric]), interval, best, row.get("trace", ""), stale)


def model_sheets(results: "DataFrame") -> list[Sheet]:
    """One sheet a dataset: how good is each experiment with greedy decoding."""
    return [
        _sheet(
            f"{dataset}, {_sizes(rows)}, temperature {rows['temperature'].iloc[0]}",
            {"experiment": rows["experiment"]},
            rows,
            SHOWN_METRICS,
            (*_marks(rows, "experiment"), *_contamination(rows), *_gains(rows)),
        )
        for dataset, rows in by_dataset(greedy(results))
    ]


def temperature_sheets(results: "DataFrame") -> list[Sheet]:
    """One sheet a dataset: does the temperature matter, experiment by experiment."""
    return [
        _sheet(
            f"{dataset}, {_sizes(rows)}",
            {"experiment": rows["experiment"], "temperature": decoding_labels(rows)},
            rows,
            TEMPERATURE_METRICS,
            _marks(rows, "temperature of the experiment"),
        )
        for dataset, rows in by_dataset(results)
    ]


def decoding_sheets(results: "DataFrame") -> list[Sheet]:
    """One sheet a dataset: an experiment at each of its decodings."""
    return [
        _sheet(f"{dataset}, {_sizes(rows)}", {"temperature": decoding_labels(rows)}, rows, SHOWN_METRICS, (EXPLAINED,))
        for dataset, rows in by_dataset(results)
    ]


def step_sheets(results: "DataFrame") -> list[Sheet]:
    """One sheet a dataset: an experiment at several steps of its training, temperature 0."""
    return [
        _sheet(f"{dataset}, {_sizes(rows)}", {"step": rows["step"]}, rows, SHOWN_METRICS, (EXPLAINED,))
        for dataset, rows in by_dataset(results)
    ]


def duration_sheets(results: "DataFrame") -> list[Sheet]:
    """For each dataset a sheet a metric, capacity x training steps; then the experiments behind the cells."""
    return [
        sheet
        for dataset, of_dataset in by_dataset(results)
        for rows in [with_series(of_dataset)]
        for sheet in [*(_pivot(dataset, rows, metric) for metric in PIVOTED), _behind(dataset, rows)]
    ]


SHEETS: dict[str, Callable[["DataFrame"], list[Sheet]]] = {
    "models": model_sheets,
    "temperatures": temperature_sheets,
    "duration": duration_sheets,
}


def by_dataset(results: "DataFrame") -> "list[tuple[str, DataFrame]]":
    """The rows of each dataset, in order of the names of datasets."""
    return [] if results.empty else [(str(name), rows) for name, rows in results.groupby("dataset")]


def _sheet(
    title: str, keys: "Mapping[str, Sequence[Any]]", rows: "DataFrame", metrics: Sequence[str], notes: tuple[str, ...]
) -> Sheet:
    """One row a row of results: what it is, its metrics, and the details of their making; beside other metrics those of
    RANKED_METRICS that any row has."""
    metrics = [*metrics, *(ranked_in(rows.dropna(axis="columns", how="all")) if metrics else [])]
    extra = _extra_columns(rows)
    cells = zip(*(map(str, values) for values in keys.values()), strict=True)
    lines = [
        (*map(Cell, key), *(metric_cell(row, metric) for metric in metrics), *_extra_cells(row, extra))
        for key, row in zip(cells, rows.to_dict("records"), strict=True)
    ]
    columns = (*keys, *_titles(rows, metrics), *extra)
    return Sheet(title, columns, tuple(lines), notes, keys=len(keys), details=len(extra))


def _pivot(dataset: str, rows: "DataFrame", metric: str) -> Sheet:
    cells = rows.assign(cell=[metric_cell(row, metric) for row in rows.to_dict("records")])
    wide = cells.pivot(index="series", columns="max_steps", values="cell").reindex(rows["series"].unique())
    wide = wide.where(wide.notna(), Cell(""))
    return Sheet(
        f"{dataset}, {_titles(rows, [metric])[0]} against training steps, {_sizes(rows)}, temperature 0",
        ("trained", *(f"{step} steps" for step in wide.columns)),
        tuple((Cell(str(name)), *of_steps) for name, *of_steps in wide.itertuples(name=None)),
        _marks(rows, "cell", [metric]),
    )


def _behind(dataset: str, rows: "DataFrame") -> Sheet:
    """Which experiment each cell of the pivots is, with its counts and trace id."""
    keys = {"trained": rows["series"], "steps": rows["max_steps"], "experiment": rows["experiment"]}
    return _sheet(f"{dataset}, the experiments of these cells", keys, rows, (), ())


def _extra_columns(rows: "DataFrame") -> list[str]:
    return [*(["n"] if _different_n(rows) else []), CANDIDATE_COUNTS, *(["version"] if "trace" in rows else [])]


def _extra_cells(row: ResultRow, columns: Sequence[str]) -> list[Cell]:
    trace = row.get("trace", "")
    cells = {
        "n": Cell(str(row["n"])),
        CANDIDATE_COUNTS: Cell(f"{row['decoded']}/{row['answered']}/{row['planned']}"),
        "version": Cell(trace.partition("@")[2][:SHOWN_VERSION], trace=trace),
    }
    return [cells[name] for name in columns]


def _titles(rows: "DataFrame", metrics: Sequence[str]) -> list[str]:
    """`pass_n` has its number where that is the same for all rows."""
    return list(metrics) if _different_n(rows) else [BY_NAME[metric].title(rows["n"].iloc[0]) for metric in metrics]


def _different_n(rows: "DataFrame") -> bool:
    return bool(rows["n"].nunique() > 1)


def _sizes(rows: "DataFrame") -> str:
    """How many tasks, test pairs and predictions the cells are over; a range where the rows differ."""
    tasks, pairs, predictions = (span(rows[name]) for name in ("tasks", "test_pairs", "n"))
    return f"n = {tasks} tasks, {pairs} test pairs, {predictions} predictions each"


def span(counts: "Series[int]") -> str:
    """A count, or a range where the counts differ."""
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low} to {high}"


def decoding_labels(rows: "DataFrame", before: str = "") -> list[str]:
    """The temperature of each row, or its decoding where it has none."""
    known = rows["temperature"].notna()
    return (before + rows["temperature"].astype(str)).where(known, rows["decoding"]).to_list()


def _marks(rows: "DataFrame", what: str, metrics: Sequence[str] = SHOWN_METRICS) -> tuple[str, ...]:
    """How the cells are to be read."""
    stale = (STALE_EXPLAINED,) if "stale" in rows and rows["stale"].any() else ()
    if rows["best"].explode().isin([*metrics, *ranked_in(rows)]).any():
        return (f"{EXPLAINED}; {BEST} beats every other {what} here (paired bootstrap over tasks)", *stale)
    return (f"{EXPLAINED}; no {what} beats every other beyond chance (paired bootstrap)", *stale)


def _contamination(rows: "DataFrame") -> tuple[str, ...]:
    """What was trained on or seen is said once where it holds for all rows; what is unseen needs no word."""
    said = rows["contamination"].astype(bool) & (rows["contamination"] != UNSEEN)
    labels = rows[said].set_index("experiment")["contamination"]
    if len(labels) == len(rows) and labels.nunique() == 1:
        return (f"all experiments: {labels.iloc[0]}",)
    return tuple(f"{name}: {label}" for name, label in labels.to_dict().items())


def _gains(rows: "DataFrame") -> tuple[str, ...]:
    """What test-time training and other rankings than votes gained, a line a metric."""
    return tuple(line for lines in rows.get("gains", ()) for line in lines)


def markdown(sheets: Sequence[Sheet]) -> str:
    """All sheets, one below the other."""
    return "\n\n".join(map(_markdown_sheet, sheets))


def _markdown_sheet(sheet: Sheet) -> str:
    table = sheet.frame.map(_markdown_cell).rename(columns=_escaped).to_markdown(index=False, disable_numparse=True)
    return "\n".join([f"**{sheet.title}**", "", table, "", *(f"{note}\n" for note in sheet.notes)])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _markdown_cell(cell: Cell) -> str:
    marks = f"\\{BEST}{STALE * cell.stale}"
    return _escaped(f"**{cell.text}**{marks} {cell.interval}" if cell.best else str(cell))
