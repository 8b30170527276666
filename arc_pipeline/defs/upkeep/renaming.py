"""Takes over under a new name what was made under a former one, so that a name costs no training.

For each artefact a record is added that says what the former one says, with the names of today, and that names it.
Its files are shared. Nothing is taken away from the former name.
"""

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster._core.storage.tags import PARTITION_NAME_TAG

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.renaming import Kind
from arc_pipeline.defs.config_versions import CONFIG_FIELDS, config_version
from arc_pipeline.defs.instance import locked
from arc_pipeline.defs.policy import UNFINISHED_RUNS
from arc_pipeline.defs.staleness.scanner import FAN_IN, FRESH, MISSING, OF_DATASETS, Node, Scanner, Status
from arc_pipeline.defs.upkeep.dead_runs import end_dead_runs
from arc_pipeline.defs.upkeep.refresh import make_planned
from arc_pipeline.defs.upkeep.reporting import report_all
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact, hash_json
from arc_pipeline.store.code_migration import former_version
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.pruning import COMPLETIONS, UNFINISHED
from arc_pipeline.store.records import LINEAGE
from arc_pipeline.store.tables import hash_tables, read_table, write_table

# their tables name experiments; they are made again in a second
NAMES_EXPERIMENTS = FAN_IN | {"experiment_summary"}
# the costly ones among those whose tables name datasets -> columns that their versions leave out
NAMES_DATASETS = {"augmented_examples": (), "evaluation_tasks": (), "predictions": ("logprob", "token_logprobs")}
# what says whether two experiments would be trained alike
OF_TRAINING = ("augmentation_config", "training_config", "initial_weights")


@dataclass(frozen=True)
class Renaming:
    """A new name of an experiment or a dataset."""

    kind: Kind
    old: str
    new: str

    def former(self, artefact: Artefact) -> Artefact:
        """What an artefact of today was called before."""
        return self._with(artefact, self.new, self.old)

    def today(self, artefact: Artefact) -> Artefact:
        """What an artefact of before is called now."""
        return self._with(artefact, self.old, self.new)

    def _with(self, artefact: Artefact, name: str, other: str) -> Artefact:
        first, slash, rest = artefact.partition.partition("/")
        is_mine = (artefact.asset in OF_DATASETS) == (self.kind == "dataset")
        return Artefact(artefact.asset, f"{other}{slash}{rest}") if is_mine and first == name else artefact

    def in_fields(self, fields: Any) -> Any:
        """The fields of a configuration with the name of today."""
        if isinstance(fields, dict):
            return {key: self.in_fields(value) for key, value in fields.items()}
        if isinstance(fields, list):
            return [self.in_fields(value) for value in fields]
        return self.new if fields == self.old else fields

    def __str__(self) -> str:
        return f"{self.kind} {self.old} -> {self.new}"


def take_over(session: Session, renaming: Renaming, assets: Collection[str] = ()) -> list[Lineage]:
    """Adds the records, of some `assets` or of all; running it again goes on where it ended. The files have the new
    name already.

    ArcPipelineError if there is nothing of the former name, or if a run of either is under way.
    """
    with locked(session.store.root / ".refresh.lock", "a refresh of this data directory is running; wait for its end"):
        refuse(session, renaming)
        scanner = session.scanner()
        if renaming.kind == "dataset":
            _make_datasets(session, scanner, renaming)
        return _TakeOver(session, scanner, renaming).run(assets)


def refuse(session: Session, renaming: Renaming) -> None:
    """ArcPipelineError if there is nothing of the former name, or if a run of either is under way."""
    asset = "tasks" if renaming.kind == "dataset" else "training_config"
    made = {artefact.partition for artefact in session.store.artefacts() if artefact.asset == asset}
    if renaming.old not in made:
        raise ArcPipelineError(
            f"nothing was made of {renaming.kind} {renaming.old!r}{did_you_mean_or_all(renaming.old, made)}"
        )
    end_dead_runs(session.instance)
    for run in session.instance.get_runs(filters=UNFINISHED_RUNS):
        named = [value for key, value in run.tags.items() if key.startswith(PARTITION_NAME_TAG)]
        if {renaming.old, renaming.new} & {part for value in named for part in value.split("|")}:
            raise ArcPipelineError(f"run {run.run_id[:8]} is of {renaming}; wait for its end, or cancel it")


def _make_datasets(session: Session, scanner: Scanner, renaming: Renaming) -> None:
    """Reads the dataset, and those derived from it, under today's names: that takes a second and is sure."""
    nodes = [node for node in scanner.nodes() if node.key in OF_DATASETS]
    own = Node("tasks", renaming.new)
    known = [node for node in nodes if node == own or session.store.record(renaming.former(node.artefact))]
    planned = [node for node in nodes if {node, Node("tasks", node.partition_key)} & set(known)]
    outcomes = make_planned(scanner, session.run, [node for node in planned if scanner.status(node).status != FRESH])
    if failed := [outcome.failed for outcome in outcomes if outcome.failed]:
        raise ArcPipelineError(failed[0])
    before, now = (session.store.required(each) for each in (renaming.former(own.artefact), own.artefact))
    if before.data_version != now.data_version:
        raise ArcPipelineError(
            f"dataset {renaming.new} has other tasks than {renaming.old} had "
            f"(version {before.data_version[:8]} -> {now.data_version[:8]}), so nothing is taken over"
        )


class _TakeOver:
    """`_stands` has, for each former artefact and version, the record that stands for it now."""

    def __init__(self, session: Session, scanner: Scanner, renaming: Renaming) -> None:
        self._session, self._store, self._scanner, self._renaming = session, session.store, scanner, renaming
        self._experiments = session.project.experiments()
        self._stands: dict[tuple[str, str], Lineage] = {}
        known = self._experiments.names() if renaming.kind == "experiment" else session.project.datasets().names()
        self._is_copy = renaming.old in known

    def run(self, assets: Collection[str] = ()) -> list[Lineage]:
        taken: list[Lineage] = []
        nodes: list[Node] = []
        # upstream first, also along the edge from a checkpoint to the weights that start from it
        for status in self._scanner.scan():
            if assets and status.node.key not in assets:
                continue
            if record := self._take(status.node):
                taken.append(record)
                nodes.append(status.node)
        report_all(self._session.instance, self._store, nodes)
        self._take_unfinished()
        self._take_completions()
        return taken

    def _take(self, node: Node) -> Lineage | None:
        artefact, former = node.artefact, self._renaming.former(node.artefact)
        record = self._store.lineage(former)
        if record is None or (former == artefact and self._is_copy):
            return None
        if former != artefact and (own := self._store.lineage(artefact)):
            if own.renamed_from == _name(record) or node.key in OF_DATASETS:
                self._stands[str(former), record.data_version] = own
            return None  # what it has of its own stays
        if former == artefact and record.renamed_from:
            for before in self._store.history(artefact):
                if _name(before) == record.renamed_from:
                    self._stands[str(artefact), before.data_version] = record
        changed = self._renamed(node, record)
        if changed is None or (former == artefact and self._is_same(changed, record)):
            return None
        appended = self._commit(artefact, record, changed)
        if appended:
            self._stands[str(former), record.data_version] = appended
        return appended

    def _is_same(self, changed: Lineage, record: Lineage) -> bool:
        same = {"data_version", "upstream", "config"}
        return changed.model_dump(include=same) == record.model_dump(include=same)

    def _renamed(self, node: Node, record: Lineage) -> Lineage | None:
        """The record with today's names; None if its content depends on the name, or on more than that."""
        if node.key in NAMES_EXPERIMENTS or node.key in OF_DATASETS:
            return None
        upstream, ids = {}, {}
        for name, version in record.upstream.items():
            stands = self._stands.get((name, version))
            today = stands.artefact if stands else str(self._renaming.today(Artefact.parse(name)))
            upstream[today] = stands.data_version if stands else version
            if id_ := stands.id if stands else record.upstream_records.get(name):
                ids[today] = id_
        update = {"artefact": str(node.artefact), "upstream": upstream, "upstream_records": ids}
        if node.key in CONFIG_FIELDS:
            experiment = self._experiments.experiments.get(node.experiment)
            if experiment is None:
                return None  # its file is faulty: what it says now nobody knows
            fields = CONFIG_FIELDS[node.key](experiment)
            starts = {name: self._store.required(Artefact.parse(name)).data_version for name in upstream}
            if self._renaming.in_fields(record.config) != fields or starts != upstream:
                return None
            update |= {"config": fields, "data_version": config_version(node.key, experiment, self._store)}
        return record.model_copy(update=update | {"renamed_from": _name(record)})

    def _commit(self, artefact: Artefact, record: Lineage, changed: Lineage) -> Lineage | None:
        content = self._store.open(record)
        with self._store.writing(artefact) as directory:
            _share(content, directory)
            if self._renaming.kind == "dataset":
                version = self._rename_in_tables(artefact.asset, record, directory)
                if version is None:
                    return None
                changed = changed.model_copy(update={"data_version": version or changed.data_version})
            return self._store.commit(directory, changed)

    def _rename_in_tables(self, asset: str, record: Lineage, directory: Path) -> str | None:
        """Writes today's name into the tables of a content: its version then, empty if no table has the name. None if
        only making it again can do that."""
        old, new = self._renaming.old, self._renaming.new
        if any(path.name == old for path in directory.rglob("*") if path.is_dir()):
            return None  # adapters of tasks, by dataset
        tables = {path.stem: read_table(directory, path.stem) for path in directory.glob("*.parquet")}
        naming = [name for name, table in tables.items() if old in _datasets(table)]
        if not naming:
            return ""
        left_out = NAMES_DATASETS.get(asset)
        if left_out is None or hash_tables(tables, left_out) != record.data_version:
            return None
        for name in naming:
            tables[name] = _with_dataset(tables[name], old, new)
            (directory / f"{name}.parquet").unlink()  # the other name of the same file keeps its content
            write_table(tables[name], directory, name)
        return hash_tables(tables, left_out)

    def _take_unfinished(self) -> None:
        """Moves the states of trainings that were not finished to where they are looked for under today's names."""
        if self._is_copy:
            return
        before = {(record.artefact, record.data_version): stood for stood, record in self._stands.items()}
        code = self._session.graph.get(dg.AssetKey("checkpoint")).code_version or ""
        for name in self._experiments.experiments:
            node = Node("checkpoint", name)
            start = self._experiments.get(name).initial_checkpoint
            read = [*self._scanner.parents(node), *([Node("checkpoint", start)] if start else [])]
            records = [record for each in read if (record := self._store.lineage(each.artefact))]
            now = {record.artefact: record.data_version for record in records}
            then = dict(before.get(pair, pair) for pair in now.items())
            place, former = self._store.root / UNFINISHED, self._renaming.former(node.artefact).partition
            for version in [code, former_version("checkpoint", code)]:
                if version:
                    _move(place / former / _work_name(then, version), place / name / _work_name(now, version))

    def _take_completions(self) -> None:
        """The completions that are kept of an experiment's checkpoints, under its name of today."""
        place = self._store.root / COMPLETIONS
        if self._renaming.kind == "experiment" and not self._is_copy:
            _move(place / self._renaming.old, place / self._renaming.new)


def alike(project: Project, planned: Sequence[Status]) -> list[Renaming]:
    """For each experiment whose checkpoint is missing, one of another name that was trained with the same inputs."""
    missing = [each.node.experiment for each in planned if (each.node.key, each.status) == ("checkpoint", MISSING)]
    if not missing:
        return []
    experiments, store = project.experiments().experiments, project.store
    trained = sorted(artefact.partition for artefact in store.artefacts() if artefact.asset == "checkpoint")
    made = {name: [store.record(Artefact(asset, name)) for asset in OF_TRAINING] for name in trained}
    versions = {name: [record.data_version if record else "" for record in records] for name, records in made.items()}
    found = []
    for name in missing:
        try:
            now = [config_version(asset, experiments[name], store) for asset in OF_TRAINING]
        except (ArcPipelineError, KeyError):
            continue  # its weights are not here, or its file is faulty
        others = (other for other in trained if other != name and versions[other] == now)
        found += [Renaming("experiment", other, name) for other in islice(others, 1)]
    return found


def _name(record: Lineage) -> str:
    return f"{record.artefact}@{record.id}"


def _datasets(table: pa.Table) -> list[str]:
    return table["dataset"].unique().to_pylist() if "dataset" in table.column_names else []


def _with_dataset(table: pa.Table, old: str, new: str) -> pa.Table:
    column = table["dataset"]
    renamed = pc.if_else(pc.equal(column, old), new, column).cast(column.type)
    return table.set_column(table.column_names.index("dataset"), "dataset", renamed)


def _share(content: Path, directory: Path) -> None:
    """Gives each file of a content a second name; a copy where the file system knows no links."""
    shutil.copytree(content, directory, copy_function=_link, ignore=shutil.ignore_patterns(LINEAGE), dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _work_name(upstream: dict[str, str], code: str) -> str:
    """What the asset `checkpoint` calls the directory of a training that is not finished."""
    return hash_json([upstream, code])[:16]


def _move(source: Path, target: Path) -> None:
    if source != target and source.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
