"""Series of experiments that differ only in how long they were trained, named by what tells them apart."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arc_pipeline.arc.evaluation.results import Row

MOST_FIELDS, LONGEST_VALUE = 3, 24
NO_DIFFERENCE = frozenset({"tuning.method", "tuning.rank"})


def series(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of duration_table by the name of their series, each by steps; one that repeats another has its own.

    The longest series first.
    """
    members: dict[tuple[str, int], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["tuning"], row["rank"], row["max_steps"], row["experiment"])):
        again = sum(row["max_steps"] == other["max_steps"] for other in members.get((row["settings"], 0), []))
        members.setdefault((row["settings"], again), []).append(row)
    names = labels([settings for settings, _ in members])
    if len({*names}) < len(names):
        names = [f"{name} ({found[0]['experiment']})" for name, found in zip(names, members.values(), strict=True)]
    found = zip(names, members.values(), strict=True)
    return dict(sorted(found, key=lambda each: len(each[1]), reverse=True))


def labels(settings: Sequence[str]) -> list[str]:
    """For each settings its capacity, and the fields in which the settings differ from one another."""
    flat = [dict(_fields("", json.loads(each))) for each in settings]
    paths = dict.fromkeys(path for fields in flat for path in fields)
    told = [path for path in paths if len({fields.get(path) for fields in flat}) > 1 and path not in NO_DIFFERENCE]
    return [
        ", ".join([capacity(json.loads(each)["tuning"]), *_words(fields, told)])
        for each, fields in zip(settings, flat, strict=True)
    ]


def capacity(tuning: Mapping[str, Any]) -> str:
    """Which weights are trained."""
    return "full" if tuning["method"] == "full" else f"LoRA r={tuning['rank']}"


def _words(fields: Mapping[str, str], told: Sequence[str]) -> list[str]:
    there = [f"{path.rpartition('.')[2]} {fields[path][:LONGEST_VALUE]}" for path in told if path in fields]
    return there[:MOST_FIELDS]


def _fields(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value in nested settings by its path."""
    if not isinstance(value, Mapping | list):
        yield path, str(value)
        return
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _fields(f"{path}.{key}" if path else str(key), inner)
