"""All versions of all checkpoints, and whether they are used: by artefacts, or by runs that Dagster has in progress."""

import dagster as dg
from dagster._core.storage.tags import MULTIDIMENSIONAL_PARTITION_PREFIX, PARTITION_NAME_TAG

from arc_pipeline.defs.policy import UNFINISHED_RUNS
from arc_pipeline.project import Project
from arc_pipeline.store.pruning import Version, versions

EXPERIMENT_TAG = f"{MULTIDIMENSIONAL_PARTITION_PREFIX}experiment"


def checkpoints(project: Project, instance: dg.DagsterInstance) -> list[Version]:
    """As the store and Dagster have them now."""
    catalogue = project.experiments()
    starts = dict.fromkeys(catalogue.names()) | {
        name: experiment.initial_checkpoint for name, experiment in catalogue.experiments.items()
    }
    return versions(project.store, experiments_in_progress(instance, starts))


def experiments_in_progress(instance: dg.DagsterInstance, starts: dict[str, str | None]) -> set[str]:
    """Every experiment with an unfinished run, and the one it starts from; all of them if a run does not say which."""
    names: set[str] = set()
    for run in instance.get_runs(UNFINISHED_RUNS):
        name = run.tags.get(EXPERIMENT_TAG) or run.tags.get(PARTITION_NAME_TAG)
        names |= {name} if name in starts else set(starts)
    return names | {start for name in names if (start := starts[name])}
