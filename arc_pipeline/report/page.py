"""The report: one HTML file that needs nothing beside it and no network. Knows contents, not their origin."""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from arc_pipeline.machine.durations import readable_duration
from arc_pipeline.report.contents import Contents
from arc_pipeline.report.data_uris import data_uri
from arc_pipeline.report.leaderboard import LEADING, conclusions
from arc_pipeline.report.lineage_graph import Asset, draw_lineage

TEMPLATE, SCRIPT = "page.html", "page.js"
# partitions that a list of one asset names, those that need work first
MOST_PARTITIONS, FEW_PARTITIONS = 100, 12


@dataclass(frozen=True)
class Work:
    """What follows from one cause: how many artefacts, which in words, and the time that making them takes."""

    kind: str
    cause: str
    count: int
    what: str
    time: str


def render(
    contents: Contents,
    assets: Sequence[Asset],
    environment: Mapping[str, Any],
    made: str,
    on_hold: Sequence[str] = (),
    work: Sequence[Work] = (),
    planned: Collection[tuple[str, str]] | None = None,
) -> str:
    """The page; `environment` as store.environment has it, `made` is when, `on_hold` names the experiments
    skipped, `work` has what is to be done by cause, `planned` the (asset, partition) that a refresh would make: all
    that is not fresh where it is None."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("arc_pipeline", "report")
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"data_uri": data_uri, "duration": readable_duration}
    not_fresh = [(asset, each) for asset in assets for each in asset.partitions if each.status != "fresh"]
    not_fresh.sort(key=lambda pair: pair[1].status == "missing")
    script = resources.files("arc_pipeline.report").joinpath(SCRIPT).read_text(encoding="utf-8")
    return templates.get_template(TEMPLATE).render(
        contents=contents,
        leading=LEADING,
        conclusions=conclusions(contents.leaders),
        trace_ids={id_: f"trace-{place}" for place, id_ in enumerate(contents.traces)},
        causes=work,
        assets=assets,
        lineage=draw_lineage(assets),
        to_do=[(asset, each) for asset, each in not_fresh if planned is None or (asset.name, each.name) in planned],
        partitions={asset.name: listed(asset) for asset in assets},
        environment=environment,
        made=made,
        on_hold=on_hold,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        most=MOST_PARTITIONS,
        few=FEW_PARTITIONS,
    )


def listed(asset: Asset) -> list[Any]:
    """The partitions that the page names."""
    return sorted(asset.partitions, key=lambda each: each.status == "fresh")[:MOST_PARTITIONS]
