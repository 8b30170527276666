"""Runs of a plain process as the UI shows them: in its timeline, and of whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from dagster import DagsterInstance
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

# the location's name is that of workspace.yaml: schedules are switched on by it
LOCATION, REPOSITORY = "arc_pipeline", "__repository__"


@contextmanager
def in_timeline(instance: DagsterInstance, job: str) -> Iterator[None]:
    """Runs that this process begins on the instance are in the UI's timeline, among those of a job."""
    create = instance.create_run_for_job
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    with_origin: Any = partial(create, remote_job_origin=RemoteJobOrigin(repository, job))
    instance.create_run_for_job = with_origin  # type: ignore[method-assign]
    try:
        yield
    finally:
        instance.create_run_for_job = create  # type: ignore[method-assign]
