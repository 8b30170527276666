"""What is missing or stale, for a person by cause or one row an artefact, for a program as one JSON document."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from arc_pipeline.arc.names import listed
from arc_pipeline.cli.console import say, wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from arc_pipeline.defs.staleness.causes import Cause
    from arc_pipeline.defs.staleness.scanner import Node, Scanner, Status
    from arc_pipeline.defs.upkeep.session import Session

TITLES = {
    "stale": "stale: something that it was made from has changed",
    "missing": "missing: was never made",
    "unrecorded": "on disk, but Dagster's database does not know it; reporting it takes no time",
}
SHOWN_ASSETS, SHOWN_CAUSES = 8, 3


def print_causes(scanner: "Scanner", statuses: "Sequence[Status]") -> None:
    """One row for each cause, with what it concerns."""
    from arc_pipeline.defs.staleness.causes import by_cause

    console, causes = wide_console(), by_cause(statuses, scanner.parents)
    for kind, title in TITLES.items():
        if of_kind := [cause for cause in causes if cause.kind == kind]:
            _print_kind(title, of_kind, console)
    say_total(statuses)


def _print_kind(title: str, causes: "Sequence[Cause]", console: "Console") -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, title_justify="left")
    table.add_column("cause", overflow="fold", ratio=1)
    table.add_column("artefacts", justify="right")
    table.add_column("time", justify="right", no_wrap=True)
    for cause in causes:
        words = Text(cause.words).append(f"\n  {what_of(cause.statuses)}", style="dim")
        table.add_row(words, str(len(cause.statuses)), short_time(cause.statuses))
    console.print(Text(title, style="bold"))
    console.print(table)
    console.print()


def what_of(statuses: "Sequence[Status]") -> str:
    """How many of which assets, upstream first."""
    counts = Counter(status.node.key for status in statuses)
    words = [name if count == 1 else f"{count} {name}" for name, count in counts.items()]
    more = f" and {len(words) - SHOWN_ASSETS} more assets" if len(words) > SHOWN_ASSETS else ""
    return ", ".join(words[:SHOWN_ASSETS]) + more


def say_total(statuses: "Sequence[Status]") -> None:
    """How many they are, and what making them takes."""
    count = len(statuses)
    if count:
        noun = "artefact" if count == 1 else "artefacts"
        say(f"{count} {noun}; estimated time: {estimated_time(statuses)}; to make them run: arc-pipeline refresh")
    else:
        say("nothing is missing or stale")


def print_statuses(statuses: "Sequence[Status]", as_json: bool, ended: "dict[Node, str] | None" = None) -> None:
    """One row for each artefact; `ended` says what came of it."""
    if as_json:
        print(json.dumps(status_rows(statuses, ended)))
    elif statuses:
        print_artefacts(statuses, wide_console(), ended)
    else:
        say("nothing is missing or stale")
        return
    say(f"{len(statuses)} artefacts; estimated time: {estimated_time(statuses)}")


def print_artefacts(statuses: "Sequence[Status]", console: "Console", ended: "dict[Node, str] | None" = None) -> None:
    """One row for each artefact, readable on 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("artefact", overflow="fold", min_width=24)
    table.add_column("ended" if ended else "status", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    table.add_column("time", justify="right", no_wrap=True)
    for status in statuses:
        more = len(status.causes) - SHOWN_CAUSES
        causes = [*status.causes[:SHOWN_CAUSES], *([f"and {more} more"] if more > 0 else [])]
        words = ended[status.node] if ended else status.status
        table.add_row(Text(str(status.node.artefact)), words, Text("\n".join(causes)), short_time([status]))
    console.print(table)


def status_rows(statuses: "Sequence[Status]", ended: "dict[Node, str] | None" = None) -> list[dict[str, Any]]:
    """The rows for a program."""
    return [
        {"asset": status.node.key, "partition": status.node.artefact.partition, "status": status.status}
        | {"causes": status.causes, "seconds": status.seconds}
        | ({"ended": ended[status.node]} if ended else {})
        for status in statuses
    ]


def say_faults(session: "Session") -> set[str]:
    """Says once what is wrong with the files of experiments and datasets; the names of the faulty experiments."""
    experiments, datasets = session.project.experiments().faults, session.project.datasets().faulty
    faults = [fault for of_file in (*experiments.values(), *datasets.values()) for fault in of_file]
    for fault in dict.fromkeys(faults):
        say(f"error: {fault}", "bold red")
    return set(experiments)


def say_what_is_skipped(session: "Session", select: list[str]) -> None:
    """Which experiments are left out unless they are selected, and why."""
    for line in session.explain_on_hold(select):
        say(line, "yellow")


def estimate_above(limit: float, planned: "Sequence[Status]") -> str:
    """The estimated time in words, if it exceeds the limit or parts of it are unknown."""
    exceeds = sum(status.seconds or 0 for status in planned) > limit
    return f"estimated time: {estimated_time(planned)}" if exceeds or _never_made(planned) else ""


def estimated_time(statuses: "Sequence[Status]") -> str:
    """What is known of the time that they take, and of which assets it is unknown."""
    from arc_pipeline.machine.durations import readable_duration

    known = [status.seconds for status in statuses if status.seconds is not None]
    unknown = f"unknown for {listed(_never_made(statuses))} (none like it was made before)"
    return " and ".join([readable_duration(sum(known))] * bool(known) + [unknown] * bool(_never_made(statuses)))


def short_time(statuses: "Sequence[Status]") -> str:
    """The same in a cell of a table: `2 min`, `> 2 min` where parts are unknown, `unknown`."""
    from arc_pipeline.machine.durations import readable_duration

    known = [status.seconds for status in statuses if status.seconds is not None]
    if not known:
        return "unknown"
    if all(status.status == "unrecorded" for status in statuses):
        return ""
    words = readable_duration(sum(known)) if sum(known) >= 1 else "< 1 s"
    return words if len(known) == len(statuses) else f"> {words.removeprefix('< ')}"


def _never_made(statuses: "Sequence[Status]") -> list[str]:
    return sorted({status.node.key for status in statuses if status.seconds is None})


def say_what_is_alike(session: "Session", planned: "list[Status]") -> None:
    """Which of the missing trainings were done already, under another name."""
    from arc_pipeline.defs.upkeep.renaming import alike

    for each in alike(session.project, planned):
        say(
            f"{each.new} would be trained as {each.old} was, from the same inputs; to take that over run: "
            f"arc-pipeline rename experiment {each.old} {each.new}",
            "yellow",
        )
