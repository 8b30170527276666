"""Refuses to make anything from what is stale, wherever the run was launched: who launches it may not have looked."""

from collections.abc import Callable

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from arc_pipeline.defs.declare import IS_CURRENT, Verdict
from arc_pipeline.defs.staleness.scanner import FAN_IN, Node, Scanner
from arc_pipeline.errors import StaleUpstream
from arc_pipeline.project import Project


def refusal(project: Project, graph: Callable[[], AssetGraph]) -> Callable[[dg.AssetExecutionContext], None]:
    """What raises StaleUpstream in a step whose upstream is stale. Tables over all experiments take what is there.

    The graph is that of all assets: the one of a run's job lacks what it does not make.
    """

    def refuse(context: dg.AssetExecutionContext) -> None:
        key = context.partition_key if context.has_partition_key else None
        node = Node(context.asset_key.to_user_string(), key)
        if node.key not in FAN_IN and (stale := Scanner(project, graph(), None).refused(node)):
            raise StaleUpstream([str(each) for each in stale])

    return refuse


def verdict(project: Project, graph: Callable[[], AssetGraph]) -> Verdict:
    """Whether what a step has just made is current: tables over all experiments take what is there, stale or not."""

    def judge(context: dg.AssetExecutionContext) -> dg.AssetCheckResult:
        node = Node(context.asset_key.to_user_string(), None)
        stale = Scanner(project, graph(), None).refused(node) if node.key in FAN_IN else []
        words = "; ".join(str(each) for each in stale) or "was made just now"
        return dg.AssetCheckResult(check_name=IS_CURRENT, passed=not stale, description=words)

    return judge
