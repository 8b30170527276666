"""What is missing or stale, as a table or one JSON document: the same for `stale` and `refresh`."""

import json
from typing import TYPE_CHECKING, Any

from arc_pipeline.cli.console import print_table, say, wide_console

if TYPE_CHECKING:
    from arc_pipeline.defs.staleness.scanner import Node, Status
    from arc_pipeline.defs.upkeep.session import Session


def print_statuses(statuses: "list[Status]", as_json: bool, ended: "dict[Node, str] | None" = None) -> None:
    """One row for each artefact; `ended` says what came of it."""
    rows = status_rows(statuses, ended)
    if as_json:
        print(json.dumps(rows))
    elif rows:
        print_table(rows, wide_console())
    else:
        say("nothing is missing or stale")
        return
    say(f"{len(rows)} artefacts; estimated time: {estimated_time(statuses)}")


def status_rows(statuses: "list[Status]", ended: "dict[Node, str] | None" = None) -> list[dict[str, Any]]:
    """The rows for a program."""
    return [
        {"asset": status.node.key, "partition": status.node.artefact.partition, "status": status.status}
        | {"causes": status.causes, "seconds": status.seconds}
        | ({"ended": ended[status.node]} if ended else {})
        for status in statuses
    ]


def say_what_is_skipped(session: "Session", select: list[str]) -> None:
    """Which experiments are left out unless they are selected, and why."""
    for line in session.explain_on_hold(select):
        say(line, "yellow")


def estimate_above(limit: float, planned: "list[Status]") -> str:
    """The estimated time in words, if it exceeds the limit or parts of it are unknown."""
    exceeds = sum(status.seconds or 0 for status in planned) > limit
    return f"estimated time: {estimated_time(planned)}" if exceeds or _never_made(planned) else ""


def estimated_time(statuses: "list[Status]") -> str:
    """The time that they took before, and which assets nobody knows it of."""
    from arc_pipeline.model.training.throughput import readable_duration

    known = [status.seconds for status in statuses if status.seconds is not None]
    unknown = f"unknown for {', '.join(_never_made(statuses))} (never made before)"
    return " and ".join([readable_duration(sum(known))] * bool(known) + [unknown] * bool(_never_made(statuses)))


def _never_made(statuses: "list[Status]") -> list[str]:
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
