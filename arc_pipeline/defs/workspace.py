"""The project as a resource of runs: an asset makes its artefact in it."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from arc_pipeline.defs.making import Making, artefact_of
from arc_pipeline.defs.run_process import tag_with_process
from arc_pipeline.errors import ArcPipelineError, StaleUpstream
from arc_pipeline.project import Project

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A project, by its data directory."""

    directory: str

    @property
    def project(self) -> Project:
        """The project."""
        return Project(Path(self.directory))

    @contextmanager
    def making(self, context: dg.AssetExecutionContext) -> Iterator[Making]:
        """An artefact in the making; errors that a user can fix end the step without a retry."""
        tag_with_process(context.instance, context.run_id)
        artefact = artefact_of(context)
        try:
            refuse_stale_upstream(context, self.project)
            with self.project.store.writing(artefact) as directory:
                yield Making(context, self.project, directory)
        except ArcPipelineError as error:
            raise dg.Failure(description=f"{artefact}: {error}", allow_retries=False) from error
        except OSError as error:
            words = f"{artefact}: {error}"
            if error.errno in DISK_ERRORS:
                words += f" ({shutil.disk_usage(self.directory).free / 1e9:.1f} GB free on its disk)"
            raise dg.Failure(description=words) from error


# of each data directory whose definitions this process has loaded: the graph of a run's job lacks what it does not make
_GRAPHS: dict[str, Callable[[], AssetGraph]] = {}


def remember_graph(project: Project, graph: Callable[[], AssetGraph]) -> None:
    """Has the steps of this process look at this graph."""
    _GRAPHS[str(project.data)] = cache(graph)


def refuse_stale_upstream(context: dg.AssetExecutionContext, project: Project) -> None:
    """StaleUpstream if what an artefact is made from is stale: who launches a step may not have looked.

    Tables over all experiments take what is there.
    """
    # not at import: the scanner's modules need this one
    from arc_pipeline.defs.upkeep.staleness import FAN_IN, Node, Scanner

    key = context.partition_key if context.has_partition_key else None
    node = Node(context.asset_key.to_user_string(), key)
    scanner = Scanner(project, _GRAPHS[str(project.data)](), None)
    if node.key not in FAN_IN and (stale := scanner.refused(node)):
        raise StaleUpstream([f"{each.node.artefact} is {each.status}: {'; '.join(each.causes)}" for each in stale])
