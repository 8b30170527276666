"""The asset graph as a picture: what is made from what, and how much of it is fresh. Knows names and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from arc_pipeline.report.charts.figure import figure_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from networkx import DiGraph

LAYER_CM = 1.55
LONG_NAME, SWEEPS = 10, 4
ARROW_HEAD = "-|>,head_length=0.25,head_width=0.12"
LINE = {"linewidth": 0.6, "color": "#555555", "shrinkA": 0, "shrinkB": 0}
# a filled box needs work; what is said in colour is said in words too
FILLS = {"fresh": "#ffffff", "stale": "#fbd9b5", "missing": "#dddddd"}


@dataclass(frozen=True)
class Partition:
    """One partition of an asset: its status, why, and what is current; `version` is empty where nothing is there."""

    name: str
    status: str
    causes: tuple[str, ...] = ()
    version: str = ""
    made: str = ""


@dataclass(frozen=True)
class Asset:
    """One asset with what it is made from and all its partitions."""

    name: str
    description: str
    group: str
    upstream: tuple[str, ...]
    partitions: tuple[Partition, ...]

    @property
    def fresh(self) -> int:
        """How many partitions are as they would be made now."""
        return sum(each.status == "fresh" for each in self.partitions)

    @property
    def status(self) -> str:
        """The worst of its partitions: fresh, stale, or missing where nothing is there at all."""
        if self.fresh == len(self.partitions):
            return "fresh"
        return "stale" if any(each.version for each in self.partitions) else "missing"

    @property
    def counted(self) -> str:
        """How much is fresh, in words."""
        return f"{self.fresh} of {len(self.partitions)} fresh"


def draw_lineage(assets: Sequence[Asset]) -> bytes:
    """A PNG, sources at the top; edges that follow from others are left out."""
    import networkx as nx

    graph = nx.transitive_reduction(nx.DiGraph([(parent, each.name) for each in assets for parent in each.upstream]))
    layers = in_layers(graph)
    places = nx.multipartite_layout(graph, subset_key=layers, align="horizontal")
    named = {each.name: each for each in assets}

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(*_with_margin([x for x, _ in places.values()], 0.1))
        axes.set_ylim(*_with_margin([y for _, y in places.values()], 0.04))
        boxes = {name: axes.text(*places[name], _words(each), **_box(each)) for name, each in named.items()}
        figure.draw_without_rendering()  # arrows end at boxes, whose sizes are known now
        for parent, child in sorted(graph.edges):
            ends = {
                f"patch{end}": boxes[name].get_bbox_patch()
                for end, name in (("A", parent), ("B", child))
                if name in boxes
            }
            head = ARROW_HEAD if child in boxes else "-"
            axes.annotate("", places[child], places[parent], arrowprops=LINE | ends | {"arrowstyle": head}, zorder=1)

    return figure_png(LAYER_CM * len(layers), draw)


def in_layers(graph: "DiGraph[str]") -> dict[int, list[str]]:
    """Names by layer from the bottom, each in an order with few crossings.

    An edge that skips layers gets a place of its own in each of them, and is cut there into edges to the next layer: so
    that none is drawn through a box.
    """
    import networkx as nx

    level = {name: n for n, names in enumerate(nx.topological_generations(graph)) for name in names}
    for name in graph:
        if not graph.in_degree(name):
            # a source stands just above what first needs it
            level[name] = min(level[child] for child in graph.successors(name)) - 1
    for parent, child in sorted(graph.edges):
        between = {f"{parent} to {child} {n}": n for n in range(level[parent] + 1, level[child])}
        if between:
            graph.remove_edge(parent, child)
            nx.add_path(graph, [parent, *between, child])
            level |= between
    last = max(level.values())
    layers = [sorted(name for name in graph if level[name] == n) for n in range(last + 1)]
    return {last - n: names for n, names in enumerate(_with_few_crossings(graph, layers))}


def _with_few_crossings(graph: "DiGraph[str]", layers: list[list[str]]) -> list[list[str]]:
    """Each name near the middle of those that it is connected with, looking down and up in turn."""
    place: dict[str, float] = {}

    def put(names: list[str]) -> None:
        place.update({name: (n + 0.5) / len(names) for n, name in enumerate(names)})

    for names in layers:
        put(names)
    for neighbours in [graph.predecessors, graph.successors] * SWEEPS:
        for names in layers:
            around = {name: [place[each] for each in neighbours(name)] or [place[name]] for name in names}
            names.sort(key=lambda name: fmean(around[name]))
            put(names)
    return layers


def _with_margin(values: Sequence[float], share: float) -> tuple[float, float]:
    margin = share * (max(values) - min(values) or 1)
    return min(values) - margin, max(values) + margin


def _words(asset: Asset) -> str:
    name = asset.name.replace("_", "_\n", 1) if len(asset.name) > LONG_NAME else asset.name
    return f"{name}\n{asset.counted}"


def _box(asset: Asset) -> dict[str, Any]:
    style = "dashed" if asset.status == "missing" else "solid"
    box = {"boxstyle": "round", "facecolor": FILLS[asset.status], "edgecolor": "#555555", "linewidth": 0.6}
    return {"fontsize": 5, "zorder": 3, "ha": "center", "va": "center", "bbox": box | {"linestyle": style}}
