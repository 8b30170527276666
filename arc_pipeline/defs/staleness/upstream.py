"""Which partitions a partition is made from: what Dagster's graph says, for all partitions at once.

The graph answers for one partition at a time, in half a millisecond; a project has thousands. Mappings of other kinds
than this project's are left to it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

Key = str | None
Parents = Callable[[Key], Sequence[Key]]


class Upstream:
    """The edges between the partitions of a graph."""

    def __init__(self, graph: AssetGraph) -> None:
        self._graph = graph
        self._keys: dict[str, list[Key]] = {}
        self._edges: dict[str, list[tuple[str, Parents]]] = {}

    def keys(self, asset: str) -> list[Key]:
        """The partitions of an asset; None is the only one of an asset without."""
        if asset not in self._keys:
            definition = self._graph.get(dg.AssetKey(asset)).partitions_def
            self._keys[asset] = list(definition.get_partition_keys()) if definition else [None]
        return self._keys[asset]

    def of(self, asset: str, key: Key) -> list[tuple[str, Key]]:
        """(asset, partition) of all that a partition is made from."""
        if asset not in self._edges:
            parents = sorted(self._graph.get(dg.AssetKey(asset)).parent_keys)
            self._edges[asset] = [(name.to_user_string(), self._edge(asset, name)) for name in parents]
        return [(parent, each) for parent, edge in self._edges[asset] for each in edge(key)]

    def _edge(self, asset: str, parent: dg.AssetKey) -> Parents:
        child, upstream = self._graph.get(dg.AssetKey(asset)), self._graph.get(parent)
        keys = self.keys(parent.to_user_string())
        if upstream.partitions_def is None or child.partitions_def is None:
            return lambda key: keys
        mapping = self._graph.get_partition_mapping(child.key, parent)
        # of several dimensions: this project's lead to the same partition
        if isinstance(mapping, dg.IdentityPartitionMapping | dg.MultiPartitionMapping):
            there = set(keys)
            return lambda key: [key] if key in there else []
        if isinstance(mapping, dg.StaticPartitionMapping):
            return _inverse(mapping, keys)
        if isinstance(mapping, dg.MultiToSingleDimensionPartitionMapping):
            return _of_dimension(keys, mapping.partition_dimension_name)
        return lambda key: self._asked(asset, parent, key)

    def _asked(self, asset: str, parent: dg.AssetKey, key: Key) -> list[Key]:
        found = self._graph.get_parents_partitions(dg.AssetKey(asset), key).parent_partitions
        return sorted((each.partition_key for each in found if each.asset_key == parent), key=str)


def _inverse(mapping: dg.StaticPartitionMapping, keys: Sequence[Key]) -> Parents:
    """By downstream partition."""
    upstream: defaultdict[Key, list[Key]] = defaultdict(list)
    below = mapping.downstream_partition_keys_by_upstream_partition_key
    for key in keys:
        for each in below.get(key or "", ()):
            upstream[each].append(key)
    return lambda key: upstream.get(key, [])


def _of_dimension(keys: Sequence[Key], dimension: str | None) -> Parents:
    """Between two dimensions and one of them."""
    by_part: defaultdict[Key, list[Key]] = defaultdict(list)
    for key in keys:
        by_part[_part(key, dimension)].append(key)
    return lambda key: by_part.get(_part(key, dimension), [])


def _part(key: Key, dimension: str | None) -> Key:
    if isinstance(key, dg.MultiPartitionKey):
        return key.keys_by_dimension[dimension or "experiment"]
    return key
