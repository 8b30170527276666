"""The edges between all partitions are those that Dagster gives for each of them."""

import dagster as dg

from arc_pipeline.defs.staleness.upstream import Upstream


def test_every_partition_is_made_from_what_dagster_says(two) -> None:
    two.write("after", initial_checkpoint="straight", validation=[{"dataset": "mirror"}])
    two.write("scored", predict={"datasets": ["mirror"], "predictions": 2, "score_views": 2})
    graph = two.load().graph
    upstream, n_edges = Upstream(graph), 0
    for key in graph.toposorted_asset_keys:
        for partition in upstream.keys(key.to_user_string()):
            found = upstream.of(key.to_user_string(), partition)
            parents = graph.get_parents_partitions(key, partition).parent_partitions
            assert {(dg.AssetKey(asset), each) for asset, each in found} == {
                (parent.asset_key, parent.partition_key) for parent in parents
            }
            n_edges += len(found)
    assert n_edges > 100
