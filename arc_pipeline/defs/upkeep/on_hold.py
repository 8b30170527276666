"""Experiments that stand back: what is made or listed without naming an experiment leaves them out.

Those whose starting weights are not on this machine wait: nothing of them can be made before the weights are there, and
they fail nothing. Others are made on request: they stand back until they have a checkpoint.
"""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatch

from arc_pipeline.arc.experiment import ExperimentCatalogue
from arc_pipeline.defs.config_versions import initial_weights_fields
from arc_pipeline.defs.upkeep.staleness import Status
from arc_pipeline.errors import MissingWeights
from arc_pipeline.store.artefact import Artefact, Store


def waiting(catalogue: ExperimentCatalogue) -> dict[str, str]:
    """What each waiting experiment waits for, also where another one that waits is its start."""
    found: dict[str, str] = {}
    for name in catalogue.experiments:
        first = catalogue.history(name)[-1]
        if not first.initial_checkpoint:
            try:
                initial_weights_fields(first)
            except MissingWeights as error:
                found[name] = str(error)
    return found


def on_request(catalogue: ExperimentCatalogue, store: Store) -> list[str]:
    """The experiments that nobody has asked for yet, and those that go on from one of them."""
    asked = [name for name, each in catalogue.experiments.items() if each.on_request]
    unmade = {name for name in asked if not store.lineage(Artefact("checkpoint", name))}
    return [name for name in catalogue.experiments if unmade & {each.name for each in catalogue.history(name)}]


def without(statuses: Sequence[Status], names: Collection[str], patterns: Sequence[str]) -> list[Status]:
    """The statuses but those of the named experiments, except where a pattern names the experiment itself."""
    silent = unnamed(names, patterns)
    return [each for each in statuses if each.node.experiment not in silent]


def unnamed(names: Collection[str], patterns: Sequence[str]) -> set[str]:
    """The experiments that no pattern names."""
    return {name for name in names if not any(_named(name, pattern) for pattern in patterns)}


def _named(experiment: str, pattern: str) -> bool:
    """By its name, or by that of one of its artefacts."""
    return fnmatch(experiment, pattern) or f"[{experiment}]" in pattern or f"[{experiment}/" in pattern


def in_words(found: Mapping[str, str], requestable: Sequence[str] = ()) -> list[str]:
    """One line for each thing that is waited for, and one for those that are made on request."""
    by_cause: dict[str, list[str]] = {}
    for name, cause in found.items():
        by_cause.setdefault(cause, []).append(name)
    lines = [f"{_listed(names)} cannot begin: {cause}" for cause, names in by_cause.items()]
    if requestable:
        lines.append(f"{_listed(sorted(requestable))} will be made when named, as in --select {min(requestable)}")
    return lines


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} experiments ({names[0]} to {names[-1]})"
