"""What making an artefact will take: from what it or one like it took, scaled by how much work each is.

Where nothing like it was made the answer is None, "unknown", and never a guess.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store

Fields = Mapping[str, Any]
# of assets whose time follows the settings of an experiment: the config asset that has them, what they are now, and how
# much work they are
SCALED: dict[str, tuple[str, Callable[[Experiment], Fields], Callable[[Fields], float]]] = {
    "augmented_examples": (
        "augmentation_config",
        Experiment.augmentation_fields,
        lambda fields: fields["n_examples"],
    ),
    "checkpoint": (
        "training_config",
        Experiment.training_fields,
        lambda fields: fields["max_steps"] * fields["batch_size"],
    ),
    "predictions": (
        "prediction_config",
        Experiment.prediction_fields,
        lambda fields: fields["predict"]["predictions"],
    ),
}
# what other settings than these change is not scaled: one with other values is not alike
ALIKE = {"checkpoint": ("model", "method", "test_time"), "predictions": ("model",), "augmented_examples": ()}
# seconds of a training beside its steps: to start, to load, to save
STEPS_TAKE = "training_seconds"


class Estimates:
    """Of one look at a project: `made` has the records of what is there, by artefact, and `experiments` all of them."""

    def __init__(self, store: Store, experiments: Mapping[str, Experiment], made: Mapping[Artefact, Lineage]) -> None:
        self._store, self._experiments = store, experiments
        self._by_asset: dict[str, dict[str, Lineage]] = {}
        for artefact, record in made.items():
            self._by_asset.setdefault(artefact.asset, {})[artefact.partition] = record

    def seconds(self, artefact: Artefact) -> float | None:
        """What making it takes; None if that is unknown."""
        made = self._by_asset.get(artefact.asset, {})
        if artefact.asset not in SCALED:
            own = made.get(artefact.partition)
            return own.seconds if own else max((record.seconds for record in made.values()), default=None)
        experiment = self._experiments.get(artefact.partition.split("/")[0])
        if experiment is None:
            return None
        scaled = (self._scaled(artefact, experiment, record) for record in self._references(artefact, made))
        return next((seconds for seconds in scaled if seconds is not None), None)

    def _references(self, artefact: Artefact, made: Mapping[str, Lineage]) -> Sequence[Lineage]:
        """Its own last version first, then the newest of others, at the same decoding if it has one."""
        own, decoding = made.get(artefact.partition), artefact.partition.partition("/")[2]
        others = [record for name, record in made.items() if name.partition("/")[2] == decoding and record is not own]
        return [*filter(None, [own]), *sorted(others, key=lambda record: record.created_at, reverse=True)]

    def _scaled(self, artefact: Artefact, experiment: Experiment, record: Lineage) -> float | None:
        """What `record` says of another, for an experiment: None if the two are not alike."""
        config_asset, fields_of, work = SCALED[artefact.asset]
        before = Artefact.parse(record.artefact).partition.split("/")[0]
        fields = self._fields(record, Artefact(config_asset, before))
        known = self._kind(before, fields)
        if not fields or any(_kind_of(experiment)[name] != known.get(name) for name in ALIKE[artefact.asset]):
            return None
        ratio = work(fields_of(experiment)) / work(fields) * self._size(artefact.asset, experiment.name, before)
        steps = min(record.seconds, float(record.metadata.get(STEPS_TAKE) or record.seconds))
        return record.seconds - steps + steps * ratio

    def _fields(self, record: Lineage, config: Artefact) -> dict[str, Any]:
        """The settings that an artefact was made with, empty if their record is lost."""
        version = record.upstream.get(str(config))
        current = self._by_asset.get(config.asset, {}).get(config.partition)
        if current is None or current.data_version != version:
            current = self._store.find(config, version) if version else None
        return dict(current.config) if current else {}

    def _kind(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What kind of training another experiment's was: by its records where they say it, else by its file."""
        experiment = self._experiments.get(name)
        kind = _kind_of(experiment) if experiment else {}
        weights = self._by_asset.get("initial_weights", {}).get(name)
        model = {"model": weights.config["model"]} if weights and "model" in weights.config else {}
        return kind | model | ({"method": fields["tuning"]["method"]} if "tuning" in fields else {})

    def _size(self, asset: str, name: str, before: str) -> float:
        """How many times longer examples are than before, or more are the tasks; 1 where that is not known."""
        source, key = {
            "checkpoint": ("augmented_examples", "mean_tokens"),
            "predictions": ("evaluation_tasks", "dagster/row_count"),
        }.get(asset, ("", ""))
        records = [self._by_asset.get(source, {}).get(each) for each in (name, before)]
        now, then = (record.metadata.get(key) if record else None for record in records)
        return float(now) / float(then) if now and then else 1.0


def _kind_of(experiment: Experiment) -> dict[str, Any]:
    return {
        "model": experiment.model,
        "method": experiment.tuning.method,
        "test_time": experiment.test_time,
    }
