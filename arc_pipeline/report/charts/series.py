"""Series of experiments that differ only in how long they were trained, named by what tells them apart."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_FIELDS, LONGEST_VALUE = 3, 24
NO_DIFFERENCE = frozenset({"tuning.method", "tuning.rank"})


def with_series(durations: "DataFrame") -> "DataFrame":
    """Rows of duration_table with the name of their `series`, each by steps; one that repeats another has its own.

    The longest series first.
    """
    import pandas as pd

    ordered = durations.sort_values(["tuning", "rank", "max_steps", "experiment"], kind="stable")
    again = ordered.groupby(["settings", "max_steps"]).cumcount()
    members = [rows for _, rows in ordered.groupby(["settings", again], sort=False)]
    names = series_names([rows["settings"].iloc[0] for rows in members])
    if len({*names}) < len(names):
        names = [f"{name} ({rows['experiment'].iloc[0]})" for name, rows in zip(names, members, strict=True)]
    named = [rows.assign(series=name) for name, rows in zip(names, members, strict=True)]
    return pd.concat(sorted(named, key=len, reverse=True))


def series_names(settings: Sequence[str]) -> list[str]:
    """For each settings its capacity, and the fields in which the settings differ from one another."""
    configs = [json.loads(text) for text in settings]
    flat = [dict(_fields("", config)) for config in configs]
    paths = dict.fromkeys(path for fields in flat for path in fields)
    told = [path for path in paths if len({fields.get(path) for fields in flat}) > 1 and path not in NO_DIFFERENCE]
    return [
        ", ".join([capacity(config["tuning"]), *_differences(fields, told)])
        for config, fields in zip(configs, flat, strict=True)
    ]


def capacity(tuning: Mapping[str, Any]) -> str:
    """Which weights are trained."""
    return "full" if tuning["method"] == "full" else f"LoRA r={tuning['rank']}"


def _differences(fields: Mapping[str, str], told: Sequence[str]) -> list[str]:
    there = [f"{path.rpartition('.')[2]} {fields[path][:LONGEST_VALUE]}" for path in told if path in fields]
    return there[:MOST_FIELDS]


def _fields(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value in nested settings by its path."""
    if not isinstance(value, Mapping | list):
        yield path, str(value)
        return
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _fields(f"{path}.{key}" if path else str(key), inner)
