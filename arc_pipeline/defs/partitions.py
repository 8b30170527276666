"""Partitions and how they map onto each other: read from the data directory once, when the code location loads."""

from collections.abc import Collection, Iterable, Mapping

import dagster as dg

from arc_pipeline.arc.experiment import Experiment, ExperimentCatalogue
from arc_pipeline.arc.prediction.requests import DECODINGS
from arc_pipeline.arc.prediction.vocabulary import task_length
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.defs.data_dir import data_directory


def read_datasets() -> Catalogue:
    """All datasets, as the files say now."""
    return Catalogue.read(data_directory(), task_length)


def read_experiments() -> ExperimentCatalogue:
    """All experiments, as the files say now."""
    return ExperimentCatalogue.read(data_directory() / "experiments", read_datasets().names())


datasets = read_datasets()
experiments = read_experiments()

dataset_partitions = dg.StaticPartitionsDefinition(datasets.names())
experiment_partitions = dg.StaticPartitionsDefinition(experiments.names())
decoding_partitions = dg.StaticPartitionsDefinition(list(DECODINGS))
candidate_partitions = dg.MultiPartitionsDefinition(
    {"decoding": decoding_partitions, "experiment": experiment_partitions}
)


def named_in(*fields: str) -> dg.StaticPartitionMapping:
    """Each dataset -> the experiments whose files name it in one of the fields."""
    named = {name: _named(each, fields) for name, each in experiments.experiments.items()}
    return _to_experiments(datasets.names(), named)


def seen_by_weights() -> dg.StaticPartitionMapping:
    """Each dataset -> the experiments whose weights were trained on it, also before they got them."""
    trained = {
        name: {dataset for each in experiments.history(name) for dataset in _named(each, ["train"])}
        for name in experiments.experiments
    }
    return _to_experiments(datasets.names(), trained)


def history_of_weights() -> dg.StaticPartitionMapping:
    """Each experiment -> itself, and those whose weights went through its training."""
    histories = {name: {each.name for each in experiments.history(name)} for name in experiments.experiments}
    return _to_experiments(experiments.names(), histories)


def _named(experiment: Experiment, fields: Iterable[str]) -> set[str]:
    return {dataset for field in fields for dataset in experiment.datasets()[field]}


def _to_experiments(upstream: Iterable[str], needed: Mapping[str, Collection[str]]) -> dg.StaticPartitionMapping:
    """Each upstream partition -> the experiments that need it."""
    return dg.StaticPartitionMapping({each: [name for name in needed if each in needed[name]] for each in upstream})


def candidate_key(experiment: str, decoding: str) -> dg.MultiPartitionKey:
    """The partition key of one experiment at one decoding."""
    return dg.MultiPartitionKey({"experiment": experiment, "decoding": decoding})


def partition_path(key: str | None) -> str:
    """The partition key as the store's path: `experiment/decoding` for two dimensions, empty for none."""
    if isinstance(key, dg.MultiPartitionKey):
        return f"{key.keys_by_dimension['experiment']}/{key.keys_by_dimension['decoding']}"
    return key or ""
