"""The project as a resource of runs: an asset makes its artefact in it."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import dagster as dg

from arc_pipeline.defs.making import Making, artefact_of
from arc_pipeline.defs.run_process import tag_with_process
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project

Guard: TypeAlias = Callable[[dg.AssetExecutionContext], None]
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
            _GUARDS[self.directory](context)
            with self.project.store.writing(artefact) as directory:
                yield Making(context, self.project, directory)
        except ArcPipelineError as error:
            raise dg.Failure(description=f"{artefact}: {error}", allow_retries=False) from error
        except OSError as error:
            words = f"{artefact}: {error}"
            if error.errno in DISK_ERRORS:
                words += f" ({shutil.disk_usage(self.directory).free / 1e9:.1f} GB free on its disk)"
            raise dg.Failure(description=words) from error


# by data directory, what refuses to make an artefact: set where its definitions are built
_GUARDS: dict[str, Guard] = {}


def set_guard(project: Project, guard: Guard) -> None:
    """Has every step in a project call this before it makes anything."""
    _GUARDS[str(project.data)] = guard
