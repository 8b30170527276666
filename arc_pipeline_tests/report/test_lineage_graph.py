"""The picture of the asset graph: layers that point one way, and the state of each asset in words and colour."""

import networkx as nx
import pytest

from arc_pipeline.report.lineage_graph import Asset, Partition, draw_lineage, in_layers

FRESH, STALE = Partition("a", "fresh", version="1"), Partition("b", "stale", ("its code changed",), "2")
MISSING = Partition("c", "missing", ("was never materialized",))


def asset(name: str, *upstream: str, partitions: tuple[Partition, ...] = (FRESH,)) -> Asset:
    return Asset(name, f"What {name} is.", "stage", upstream, partitions)


ASSETS = [
    asset("source"),
    asset("config", partitions=(STALE,)),
    asset("middle", "source"),
    asset("late", "middle", partitions=(MISSING,)),
    asset("end", "source", "late", "config", partitions=(FRESH, STALE, MISSING)),
]


@pytest.mark.parametrize(
    ("partitions", "status", "words"),
    [
        ((FRESH,), "fresh", "1 of 1 fresh"),
        ((FRESH, STALE), "stale", "1 of 2 fresh"),
        ((FRESH, MISSING), "stale", "1 of 2 fresh"),
        ((MISSING,), "missing", "0 of 1 fresh"),
        ((), "fresh", "0 of 0 fresh"),
    ],
)
def test_the_state_of_an_asset(partitions: tuple[Partition, ...], status: str, words: str) -> None:
    found = asset("one", partitions=partitions)
    assert (found.status, found.counted) == (status, words)


def test_layers_point_down_and_edges_skip_none() -> None:
    graph = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("root", "d")])
    layers = in_layers(graph)
    level = {name: n for n, names in layers.items() for name in names}
    assert all(level[parent] - level[child] == 1 for parent, child in graph.edges)
    # a source that is needed late stands late, with no edge to be cut
    assert level["root"] == level["c"]
    assert {"a", "b", "c", "d", "root"} < level.keys()


def test_neighbours_stand_in_the_order_of_what_they_are_made_from() -> None:
    graph = nx.DiGraph([("a1", "z"), ("a2", "y"), ("a3", "x")])
    assert in_layers(graph) == {1: ["a1", "a2", "a3"], 0: ["z", "y", "x"]}


def test_the_picture_is_the_same_each_time() -> None:
    assert draw_lineage(ASSETS).startswith(b"\x89PNG")
    assert draw_lineage(ASSETS) == draw_lineage(ASSETS)
    assert draw_lineage(ASSETS) != draw_lineage([*ASSETS[:-1], asset("end", "source", "late", "config")])
