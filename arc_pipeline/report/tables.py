"""Tables for people: cells with their interval, the best one marked, sheet by sheet. Knows rows of results, no screens.

Shares are in percent; an interval is the 95 % interval by bootstrap over tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arc_pipeline.arc.evaluation.metrics import column_title
from arc_pipeline.arc.evaluation.results import SHOWN_METRICS, TEMPERATURE_METRICS, Row, greedy_rows
from arc_pipeline.report.charts.series import series

PIVOTED = ("accuracy", "vote_2")
BEST = "*"
EXPLAINED = "%, in brackets the 95 % interval (bootstrap over tasks)"
# what `arc-pipeline trace EXPERIMENT DECODING` begins with
SHOWN_VERSION = 8
COUNTS = "decoded/answered/planned"


@dataclass(frozen=True)
class Cell:
    """`best` beats every other that it is compared with, beyond chance; `trace` names the artefact it came from."""

    text: str
    interval: str = ""
    best: bool = False
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.text}{BEST if self.best else ''} {self.interval}".rstrip()


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
        return self.columns.index(COUNTS) if COUNTS in self.columns else None


def percent(share: float) -> str:
    """A share from 0 to 1 as a cell shows it, without the sign."""
    return f"{100 * share:.1f}"


def metric_cell(row: Row, metric: str) -> Cell:
    """A metric of a row with its interval."""
    low, high = row["intervals"][metric]
    interval = f"[{100 * low:.0f}, {100 * high:.0f}]"
    return Cell(percent(row[metric]), interval, metric in row.get("best", ()), row.get("trace", ""))


def models(rows: Sequence[Row]) -> list[Sheet]:
    """One sheet a dataset: how good is each experiment with greedy decoding."""
    return [
        Sheet(
            f"{dataset}, {_sizes(found)}, temperature {found[0]['temperature']}",
            ("experiment", *_titles(found, SHOWN_METRICS), *_extra_columns(found)),
            tuple(_row([row["experiment"]], row, SHOWN_METRICS, found) for row in found),
            (*_marks(found, "experiment"), *_contamination(found), *_gains(found)),
            details=len(_extra_columns(found)),
        )
        for dataset, found in by_dataset(greedy_rows(rows)).items()
    ]


def temperatures(rows: Sequence[Row]) -> list[Sheet]:
    """One sheet a dataset: does the temperature matter, experiment by experiment."""
    return [
        Sheet(
            f"{dataset}, {_sizes(found)}",
            ("experiment", "temperature", *_titles(found, TEMPERATURE_METRICS), *_extra_columns(found)),
            tuple(_row([row["experiment"], _decoding(row)], row, TEMPERATURE_METRICS, found) for row in found),
            _marks(found, "temperature of the experiment"),
            keys=2,
            details=len(_extra_columns(found)),
        )
        for dataset, found in by_dataset(rows).items()
    ]


def by_decoding(rows: Sequence[Row]) -> list[Sheet]:
    """One sheet a dataset: an experiment at each of its decodings."""
    return [_compared(dataset, found, "temperature", _decoding) for dataset, found in by_dataset(rows).items()]


def by_step(rows: Sequence[Row]) -> list[Sheet]:
    """One sheet a dataset: an experiment at several steps of its training, temperature 0."""
    return [_compared(dataset, found, "step", lambda row: row["step"]) for dataset, found in by_dataset(rows).items()]


def _compared(dataset: str, rows: Sequence[Row], name: str, value: Callable[[Row], object]) -> Sheet:
    columns = (name, *_titles(rows, SHOWN_METRICS), *_extra_columns(rows))
    cells = tuple(_row([str(value(row))], row, SHOWN_METRICS, rows) for row in rows)
    return Sheet(f"{dataset}, {_sizes(rows)}", columns, cells, (EXPLAINED,), details=len(_extra_columns(rows)))


def duration(rows: Sequence[Row]) -> list[Sheet]:
    """For each dataset a sheet a metric, capacity x training steps; then the experiments behind the cells."""
    return [
        sheet
        for dataset, found in by_dataset(rows).items()
        for sheet in [*(_pivot(dataset, found, metric) for metric in PIVOTED), _behind(dataset, found)]
    ]


SHEETS: dict[str, Callable[[Sequence[Row]], list[Sheet]]] = {
    "models": models,
    "temperatures": temperatures,
    "duration": duration,
}


def by_dataset(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each dataset, in order of the names of datasets."""
    names = sorted({row["dataset"] for row in rows})
    return {name: [row for row in rows if row["dataset"] == name] for name in names}


def _pivot(dataset: str, rows: Sequence[Row], metric: str) -> Sheet:
    steps = sorted({row["max_steps"] for row in rows})
    lines = series(rows)
    cells = {label: {row["max_steps"]: metric_cell(row, metric) for row in found} for label, found in lines.items()}
    return Sheet(
        f"{dataset}, {_titles(rows, [metric])[0]} against training steps, {_sizes(rows)}, temperature 0",
        ("trained", *(f"{step} steps" for step in steps)),
        tuple((Cell(label), *(found.get(step, Cell("")) for step in steps)) for label, found in cells.items()),
        _marks(rows, "cell", [metric]),
    )


def _behind(dataset: str, rows: Sequence[Row]) -> Sheet:
    """Which experiment each cell of the pivots is, with its counts and trace id."""
    found = [(label, row) for label, members in series(rows).items() for row in members]
    return Sheet(
        f"{dataset}, the experiments of these cells",
        ("trained", "steps", "experiment", *_extra_columns(rows)),
        tuple(_row([label, str(row["max_steps"]), row["experiment"]], row, (), rows) for label, row in found),
        keys=3,
        details=len(_extra_columns(rows)),
    )


def _row(keys: Sequence[str], row: Row, metrics: Sequence[str], rows: Sequence[Row]) -> tuple[Cell, ...]:
    counts = f"{row['decoded']}/{row['answered']}/{row['planned']}"
    size = [Cell(str(row["n"]))] if _different_n(rows) else []
    cells = [metric_cell(row, metric) for metric in metrics]
    trace = [Cell(row["trace"].partition("@")[2][:SHOWN_VERSION], trace=row["trace"])] if "trace" in row else []
    return (*map(Cell, keys), *cells, *size, Cell(counts), *trace)


def _extra_columns(rows: Sequence[Row]) -> list[str]:
    return [*(["n"] if _different_n(rows) else []), COUNTS, *(["version"] if "trace" in rows[0] else [])]


def _titles(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """`pass_n` has its number where that is the same for all rows."""
    return list(metrics) if _different_n(rows) else [column_title(metric, rows[0]["n"]) for metric in metrics]


def _different_n(rows: Sequence[Row]) -> bool:
    return len({row["n"] for row in rows}) > 1


def _sizes(rows: Sequence[Row]) -> str:
    """How many tasks, test pairs and predictions the cells are over; a range where the rows differ."""
    tasks, pairs, predictions = (_span(rows, name) for name in ("tasks", "test_pairs", "n"))
    return f"n = {tasks} tasks, {pairs} test pairs, {predictions} predictions each"


def _span(rows: Sequence[Row], name: str) -> str:
    low, high = min(row[name] for row in rows), max(row[name] for row in rows)
    return str(low) if low == high else f"{low} to {high}"


def _decoding(row: Row) -> str:
    return row["decoding"] if row["temperature"] is None else str(row["temperature"])


def _marks(rows: Sequence[Row], what: str, metrics: Sequence[str] = SHOWN_METRICS) -> tuple[str, ...]:
    """How the cells are to be read."""
    if any(metric in row["best"] for row in rows for metric in metrics):
        return (f"{EXPLAINED}; {BEST} beats every other {what} here (paired bootstrap over tasks)",)
    return (f"{EXPLAINED}; no {what} beats every other beyond chance (paired bootstrap)",)


def _contamination(rows: Sequence[Row]) -> tuple[str, ...]:
    """What was trained on is said once where it holds for all rows."""
    labels = {row["experiment"]: row["contamination"] for row in rows if row["contamination"]}
    if len(labels) == len(rows) and len({*labels.values()}) == 1:
        return (f"all experiments: {next(iter(labels.values()))}",)
    return tuple(f"{name}: {label}" for name, label in labels.items())


def _gains(rows: Sequence[Row]) -> tuple[str, ...]:
    """What test-time training gained, a line a metric."""
    return tuple(line for row in rows for line in row.get("gains", ()))


def markdown(sheets: Sequence[Sheet]) -> str:
    """All sheets, one below the other."""
    return "\n\n".join(map(_markdown_sheet, sheets))


def _markdown_sheet(sheet: Sheet) -> str:
    lines = [f"**{sheet.title}**", "", _line(sheet.columns), "|" + "---|" * len(sheet.columns)]
    lines += [_line([_markdown_cell(cell) for cell in row]) for row in sheet.rows]
    return "\n".join([*lines, "", *(f"{note}\n" for note in sheet.notes)])


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _markdown_cell(cell: Cell) -> str:
    return f"**{cell.text}**\\{BEST} {cell.interval}" if cell.best else str(cell)
