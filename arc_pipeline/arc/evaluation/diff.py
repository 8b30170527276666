"""What differs between two experiments, or two versions of one: configuration, data, code, and the tasks won and lost.

Reads the records and tables of a store; knows nothing of Dagster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from arc_pipeline.arc.evaluation.comparison import COMPARED, Comparison, compare_tasks
from arc_pipeline.arc.evaluation.metrics import BY_NAME
from arc_pipeline.arc.evaluation.results import PER_TASK, refuse_outdated
from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.errors import ArcPipelineError, MissingArtefact
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.code_migration import changed_code
from arc_pipeline.store.differences import changed
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import read_table
from arc_pipeline.store.trace import record_of, records

if TYPE_CHECKING:
    from pandas import DataFrame

COUNTED = ("dagster/row_count", "tokens", "mean_tokens", "test_pairs_as_targets", "draws_too_long")


@dataclass(frozen=True)
class Side:
    """One of the two: the metrics of an experiment at a decoding, in one version of them."""

    artefact: Artefact
    version: str = ""

    @classmethod
    def parse(cls, text: str, decoding: str) -> "Side":
        """`EXPERIMENT` is its current version, `EXPERIMENT@VERSION` the one whose metrics have that data version."""
        name, _, version = text.partition("@")
        return cls(Artefact("metrics", f"{name}/{decoding}"), version)

    def by_asset(self, store: Store) -> dict[str, Lineage]:
        """The records of everything it was made from, by asset."""
        made_from = records(store, self.artefact, self.version)
        return {Artefact.parse(name).asset: record for name, record in made_from.items()}


def compare_experiments(store: Store, a: Side, b: Side, metric: str = "vote_2") -> dict[str, Any]:
    """JSON: `config`, `data`, `code` in words, and `tasks`, the fields of a Comparison of b against a."""
    if metric not in COMPARED:
        raise ArcPipelineError(f"unknown metric {metric!r}{did_you_mean_or_all(metric, COMPARED)}")
    old, new = a.by_asset(store), b.by_asset(store)
    shared = [asset for asset in new if asset in old]
    return {
        "a": f"{a.artefact}@{old['metrics'].data_version[:16]}",
        "b": f"{b.artefact}@{new['metrics'].data_version[:16]}",
        "config": sorted({line for configs in _configs(old, new) for line in changed(*configs)} - _versions(old, new)),
        "data": changed(_counts(old), _counts(new)),
        "code": {asset: names for asset in shared if (names := changed_code(asset, old[asset].code, new[asset].code))},
        "tasks": asdict(compare_tasks(_per_task(store, a, metric), _per_task(store, b, metric), metric)),
    }


def _configs(old: Mapping[str, Lineage], new: Mapping[str, Lineage]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for asset in ("augmentation_config", "training_config", "initial_weights", "prediction_config"):
        if asset in old and asset in new:
            yield old[asset].config, new[asset].config


def _versions(old: Mapping[str, Lineage], new: Mapping[str, Lineage]) -> set[str]:
    """What the starting weights' version would add: it only repeats the fields that it was made from."""
    if "initial_weights" not in old or "initial_weights" not in new:
        return set()
    sides = [{"version": side["initial_weights"].config.get("version", "")} for side in (old, new)]
    return set(changed(*sides))


def _counts(records_by_asset: Mapping[str, Lineage]) -> dict[str, Any]:
    record = records_by_asset.get("augmented_examples")
    return {name: record.metadata[name] for name in COUNTED if record and name in record.metadata}


def _per_task(store: Store, side: Side, metric: str) -> "DataFrame":
    record = record_of(store, side.artefact, side.version)
    if not store.is_kept(record):
        raise MissingArtefact(f"the files of {side.artefact}@{side.version} are not kept any more")
    table = read_table(store.open(record), PER_TASK)
    is_there = metric in table.column_names and not table[metric].null_count
    if BY_NAME[metric].ranking and not is_there:
        to_do = "set predict: {score_views: 8} in its file and refresh it, or choose another --metric"
        raise ArcPipelineError(f"{side.artefact} has no {metric}, for its candidates were not scored; {to_do}")
    # a kept version is not made again
    if side.version:
        refuse_outdated(table, f"{side.artefact}@{side.version}", [metric], "choose another --metric")
    refuse_outdated(table, str(side.artefact), [metric])
    frame: DataFrame = table.to_pandas()
    return frame


def difference_lines(difference: Mapping[str, Any]) -> Iterator[str]:
    """The difference between experiments for a person."""
    yield f"a: {difference['a']}"
    yield f"b: {difference['b']}"
    for part in ("config", "data"):
        yield from (f"{part}: {line}" for line in difference[part] or ["the same"])
    yield from (f"code of {asset}: {', '.join(names)}" for asset, names in difference["code"].items())
    if not difference["code"]:
        yield "code: the same"
    yield from Comparison(**difference["tasks"]).summary()
