"""Partitions and how they map onto each other, as the files of a project say when its definitions are built."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, TypeAlias

import dagster as dg

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.project import Project

Partitioning: TypeAlias = Literal["dataset", "experiment", "candidate", "scored", "scored candidate"]


class Partitions:
    """The partitions of a project. Those of experiments, and of candidates: experiments x decodings.

    Those that are scored are the experiments with `predict.score_views`, and their candidates.
    """

    def __init__(self, project: Project, only: Collection[str] | None = None) -> None:
        """Those of all experiments, or of some."""
        self.datasets, self.experiments = project.datasets(), project.experiments()
        self.names = [name for name in self.experiments.names() if only is None or name in only]
        dataset = dg.StaticPartitionsDefinition(self.datasets.names())
        self.experiment = dg.StaticPartitionsDefinition(self.names)
        known = self.experiments.experiments
        self.scored = [name for name in self.names if name in known and known[name].predict.score_views]
        scored = dg.StaticPartitionsDefinition(self.scored)
        self.by: dict[Partitioning, dg.PartitionsDefinition] = {
            "dataset": dataset,
            "experiment": self.experiment,
            "candidate": _at_decodings(self.experiment),
            "scored": scored,
            "scored candidate": _at_decodings(scored),
        }

    def from_datasets(self, needed: Callable[[Experiment], set[str]]) -> dg.StaticPartitionMapping:
        """Each dataset -> the experiments that need it."""
        known = {name: self.experiments.experiments.get(name) for name in self.names}
        needs = {name: needed(experiment) for name, experiment in known.items() if experiment}
        return _to_experiments(self.datasets.names(), needs)


def _at_decodings(experiments: dg.StaticPartitionsDefinition) -> dg.MultiPartitionsDefinition:
    return dg.MultiPartitionsDefinition(
        {"decoding": dg.StaticPartitionsDefinition(list(DECODINGS)), "experiment": experiments}
    )


Mapper: TypeAlias = Callable[[Partitions], dg.PartitionMapping]


def named_in(*fields: str) -> Mapper:
    """Each dataset -> the experiments whose files name it in one of the fields."""
    return lambda partitions: partitions.from_datasets(lambda experiment: _named(experiment, fields))


def seen_by_weights(partitions: Partitions) -> dg.StaticPartitionMapping:
    """Each dataset -> the experiments whose weights were trained on it, also before they got them, or validated."""
    history = partitions.experiments.history
    return partitions.from_datasets(
        lambda experiment: (
            _named(experiment, ["validation"])
            | {name for before in history(experiment.name) for name in _named(before, ["train"])}
        )
    )


def history_of_weights(partitions: Partitions) -> dg.StaticPartitionMapping:
    """Each experiment -> itself, and those whose weights went through its training."""
    catalogue = partitions.experiments
    known = [name for name in partitions.names if name in catalogue.experiments]
    histories = {name: {before.name for before in catalogue.history(name)} for name in known}
    return _to_experiments(partitions.names, histories)


def scored_experiment(partitions: Partitions) -> dg.StaticPartitionMapping:
    """Each experiment that is scored -> itself."""
    return dg.StaticPartitionMapping({name: [name] for name in partitions.scored})


def same_candidate(partitions: Partitions) -> dg.MultiPartitionMapping:
    """Each candidate partition of an experiment that is scored -> the same one, in either direction."""
    of_dimensions = {"decoding": dg.IdentityPartitionMapping(), "experiment": scored_experiment(partitions)}
    return dg.MultiPartitionMapping(
        {name: dg.DimensionPartitionMapping(name, mapping) for name, mapping in of_dimensions.items()}
    )


def experiment_of_scored(partitions: Partitions) -> dg.StaticPartitionMapping:
    """Each experiment that is scored -> its candidates."""
    candidates = {
        name: [dg.MultiPartitionKey({"decoding": decoding, "experiment": name}) for decoding in DECODINGS]
        for name in partitions.scored
    }
    return dg.StaticPartitionMapping(candidates)


def _named(experiment: Experiment, fields: Iterable[str]) -> set[str]:
    return {dataset for field in fields for dataset in experiment.datasets()[field]}


def _to_experiments(upstream: Iterable[str], needed: Mapping[str, Collection[str]]) -> dg.StaticPartitionMapping:
    """Each upstream partition -> the experiments that need it."""
    return dg.StaticPartitionMapping(
        {partition: [name for name in needed if partition in needed[name]] for partition in upstream}
    )


def partition_path(key: str | None) -> str:
    """The partition key as the store's path: `experiment/decoding` for two dimensions, empty for none."""
    if isinstance(key, dg.MultiPartitionKey):
        return f"{key.keys_by_dimension['experiment']}/{key.keys_by_dimension['decoding']}"
    return key or ""
