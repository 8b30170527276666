"""Experiments that are skipped unless they are selected by name.

Those whose initial weights are not on this machine: nothing of them can be made before the weights are there, and they
fail nothing. And those that are made on request, as long as they have no checkpoint.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from arc_pipeline.arc.experiment import ExperimentCatalogue
from arc_pipeline.defs.config_versions import initial_weights_fields
from arc_pipeline.errors import MissingWeights
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store


@dataclass(frozen=True)
class OnHold:
    """The experiments without weights, each with what to do about it, and those that nobody has requested yet."""

    without_weights: Mapping[str, str]
    unrequested: Sequence[str]

    @classmethod
    def of(cls, project: Project) -> "OnHold":
        """Those of a project, as its files and store are now."""
        catalogue = project.experiments()
        return cls(without_weights(catalogue), unrequested(catalogue, project.store))

    @property
    def names(self) -> set[str]:
        """All of them."""
        return {*self.without_weights, *self.unrequested}

    def explain(self, experiments: Collection[str]) -> list[str]:
        """One line for each cause why some of the experiments are on hold."""
        by_cause: dict[str, list[str]] = {}
        for name, cause in self.without_weights.items():
            if name in experiments:
                by_cause.setdefault(cause, []).append(name)
        lines = [f"{_listed(names)} cannot begin: {cause}" for cause, names in by_cause.items()]
        if skipped := sorted({*self.unrequested} & {*experiments} - self.without_weights.keys()):
            verb = "is" if len(skipped) == 1 else "are"
            lines.append(f"{_listed(skipped)} {verb} skipped unless selected, as with --select {skipped[0]}")
        return lines


def worked_on(project: Project) -> list[str]:
    """The experiments that a person works on: not on hold, or something of them, or of one that starts from them, was
    made; also those that the queue of trainings names."""
    catalogue, on_hold = project.experiments(), OnHold.of(project).names
    begun = {name for name in catalogue.names() if project.store.lineage(Artefact("training_config", name))}
    chosen = [name for name in catalogue.names() if name not in on_hold or name in begun]
    before = {each.name for name in chosen if name in catalogue.experiments for each in catalogue.history(name)}
    return [name for name in catalogue.names() if name in before or name in chosen]


def without_weights(catalogue: ExperimentCatalogue) -> dict[str, str]:
    """What each experiment without weights lacks, also where another one without them comes before it."""
    lacking: dict[str, str] = {}
    for name in catalogue.experiments:
        first = catalogue.history(name)[-1]
        if not first.initial_checkpoint:
            try:
                initial_weights_fields(first)
            except MissingWeights as error:
                lacking[name] = str(error)
    return lacking


def unrequested(catalogue: ExperimentCatalogue, store: Store) -> list[str]:
    """The experiments that are made on request and have no checkpoint, and those that are initialised from one."""
    on_request = [name for name, experiment in catalogue.experiments.items() if experiment.on_request]
    unmade = {name for name in on_request if not store.lineage(Artefact("checkpoint", name))}
    return [name for name in catalogue.experiments if unmade & {before.name for before in catalogue.history(name)}]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} experiments ({names[0]} to {names[-1]})"
