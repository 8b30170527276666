"""What is missing or stale, partition by partition, and why: transitive, and for any number of partitions.

Compares the record of each artefact with what it was made from as it is now: code, files, configuration and upstream
versions. Dagster's own status is neither transitive nor complete past 99 upstream partitions.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from arc_pipeline.defs.config_versions import CONFIG_FIELDS, config_version
from arc_pipeline.defs.declare import definitions_of
from arc_pipeline.defs.partitions import partition_path
from arc_pipeline.defs.policy import QUESTIONS
from arc_pipeline.defs.staleness.estimates import Estimates
from arc_pipeline.defs.staleness.upstream import Upstream
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.code_migration import changed_code
from arc_pipeline.store.differences import changed
from arc_pipeline.store.lineage import Lineage

NAMED_DEFINITIONS = 5
FRESH, MISSING, STALE = "fresh", "missing", "stale"
NEVER_MADE = "was never materialized"
# whole on disk, but Dagster's database does not know it: to be reported again, not to be made again
UNRECORDED = "unrecorded"
DATA_VERSION_TAG = "dagster/data_version"
OF_DATASETS = frozenset({"arc_source", "tasks"})
# assets that only the experiments have whose candidates are scored
OF_SCORED = frozenset({"scoring_config", "scores", "solution_scores"})
# assets over all experiments: they take what is there, and miss nothing that is not
FAN_IN = frozenset({"results_table", "temperature_table", "duration_table"})
# assets of which it matters which upstream artefacts there are, not only what is in them
COUNTS_ITS_UPSTREAM = FAN_IN | {"contamination"}
# assets that are made without an upstream where the experiment does not want it
OPTIONAL_UPSTREAM = {"attempts": "scores", "failures": "solution_scores"}

# assets made from what is asked, not from what is right
READS_NO_SOLUTIONS = frozenset({"predictions", "scores", "attempts"})


@dataclass(frozen=True)
class Node:
    """One partition of one asset: for Dagster a key, for the store an artefact."""

    key: str
    partition_key: str | None

    @cached_property
    def artefact(self) -> Artefact:
        """Its name in the store."""
        return Artefact(self.key, partition_path(self.partition_key))

    @property
    def experiment(self) -> str:
        """The experiment that it belongs to, empty for datasets and what is over all experiments."""
        return "" if self.key in OF_DATASETS else self.artefact.partition.split("/")[0]


@dataclass
class Status:
    """`causes` say in words why a node is not fresh; `seconds` is what making it will take, None if unknown.

    `inherited`: only an upstream is stale. Should that be made again with the same data, this node is fresh after all.
    """

    node: Node
    status: str
    causes: list[str] = field(default_factory=list)
    seconds: float | None = None
    inherited: bool = False

    def __str__(self) -> str:
        return f"{self.node.artefact} is {self.status}: {'; '.join(self.causes)}"


def is_stale(parent: Status) -> str:
    """The cause of what is stale since this is, or is missing."""
    return f"{parent.node.artefact} is {parent.status}"


class Scanner:
    """Walks the asset graph once; answers are kept until `renew` is told what was made, or a new one is made."""

    def __init__(self, project: Project, graph: AssetGraph, instance: DagsterInstance | None) -> None:
        """Without an instance, what Dagster's database has is not looked at."""
        self._instance, self._store = instance, project.store
        self._datasets, self._experiments = project.datasets(), project.experiments()
        self._graph, self._upstream = graph, Upstream(graph)
        self._records: dict[Artefact, Lineage | None] = {}
        self._parents: dict[Node, list[Node]] = {}
        self._known: dict[Node, Status] = {}
        # by asset and former code version, which hundreds of artefacts share
        self._changed_code: dict[tuple[str, str], str] = {}
        self._interned: dict[tuple[str, str | None], Node] = {}
        self._visiting: list[Node] = []

    def scan(self) -> list[Status]:
        """The status of every partition of every asset, upstream first."""
        for node in self.nodes():
            self.status(node)
        self.remember_verified()
        return list(self._known.values())

    def nodes(self) -> list[Node]:
        """Every partition of every asset, in topological order of the assets."""
        return self._nodes

    @cached_property
    def _nodes(self) -> list[Node]:
        return [
            self._one(key.to_user_string(), partition)
            for key in self._graph.toposorted_asset_keys
            for partition in self._upstream.keys(key.to_user_string())
        ]

    def _one(self, key: str, partition: str | None) -> Node:
        """The node, the same object each time: its names are made up once."""
        return self._interned.setdefault((key, partition), Node(key, partition))

    def node(self, artefact: Artefact) -> Node:
        """The node of an artefact; ArcPipelineError if the graph has none."""
        if artefact not in self._by_artefact:
            raise ArcPipelineError(f"there is no {artefact}: no such asset, or no such partition of it")
        return self._by_artefact[artefact]

    def seconds(self, node: Node) -> float | None:
        """What making a node takes, None if that is unknown."""
        return self._estimates.seconds(node.artefact)

    @cached_property
    def _estimates(self) -> Estimates:
        records = ((node.artefact, self._record(node.artefact)) for node in self.nodes())
        made = {artefact: record for artefact, record in records if record}
        return Estimates(self._store, self._experiments.experiments, made)

    def renew(self, made: Collection[Node]) -> None:
        """Looks again at what was made meanwhile, and at all that is made from it; keeps the other answers."""
        for node in self._below(made):
            self._known.pop(node, None)
        for node in made:
            self._records.pop(node.artefact, None)
        for key in {node.key for node in made}:
            versions = self._versions(dg.AssetKey(key))
            self._recorded.update({Node(key, partition): version for partition, version in versions.items()})

    def made_from(self, node: Node) -> list[Node]:
        """All that is made from a node, directly or not, upstream first."""
        return sorted(self._below([node]) - {node}, key=self._places.__getitem__)

    @cached_property
    def _places(self) -> dict[Node, int]:
        return {node: place for place, node in enumerate(self.nodes())}

    def _below(self, nodes: Collection[Node]) -> set[Node]:
        below, unseen = set(nodes), list(nodes)
        while unseen:
            new = self._children.get(unseen.pop(), set()) - below
            below |= new
            unseen.extend(new)
        return below

    @cached_property
    def _children(self) -> dict[Node, set[Node]]:
        children: dict[Node, set[Node]] = {}
        for node in self.nodes():
            for parent in self.parents(node):
                children.setdefault(parent, set()).add(node)
        return children

    def recorded(self, node: Node) -> str:
        """The data version that Dagster's database has of a node, empty if it has none."""
        return self._recorded.get(node, "")

    def _record(self, artefact: Artefact) -> Lineage | None:
        """The record of the current version, if that can be used."""
        if artefact not in self._records:
            self._records[artefact] = self._store.lineage(artefact)
        return self._records[artefact]

    def parents(self, node: Node) -> list[Node]:
        """The partitions that a node is made from, also the edge that Dagster forbids: a checkpoint to start from."""
        if node not in self._parents:
            parents = [self._one(*parent) for parent in self._upstream.of(node.key, node.partition_key)]
            if node.key == "initial_weights" and (start := self._start(node.partition_key)):
                parents.append(self._one("checkpoint", start))
            self._parents[node] = sorted(parents, key=lambda parent: (parent.key, parent.partition_key or ""))
        return self._parents[node]

    def _start(self, experiment: str | None) -> str | None:
        known = self._experiments.experiments.get(experiment or "")
        return known.initial_checkpoint if known else None

    def status(self, node: Node) -> Status:
        """Whether a node is fresh; its upstream is looked at first."""
        if node not in self._known:
            if node in self._visiting:
                raise ArcPipelineError(
                    f"{node.artefact} starts from itself: {' <- '.join(str(node.artefact) for node in self._visiting)}"
                )
            self._visiting.append(node)
            upstream = [self.status(parent) for parent in self.parents(node)]
            self._visiting.pop()
            self._known[node] = self._judge(node, upstream)
        return self._known[node]

    def reasons(self, artefact: Artefact, version: str = "") -> list[str]:
        """Why an artefact, or a number from one of its versions, does not hold any more; empty if it does."""
        node = self._by_artefact.get(artefact)
        if node is None:
            return [f"there is no file of {artefact.partition.split('/')[0] or artefact} any more"]
        status = self.status(node)
        record = self._record(artefact)
        if status.status in {FRESH, UNRECORDED}:
            newer = record is not None and not record.data_version.startswith(version)
            return [f"{artefact} has a new version"] if newer else []
        before = self.stale_upstream(node) if status.inherited else []
        return [str(each) for each in before] or status.causes

    def remember_verified(self) -> None:
        """Keeps for other processes which files were found to be whole."""
        self._store.remember_verified()

    def __contains__(self, artefact: Artefact) -> bool:
        return artefact in self._by_artefact

    @cached_property
    def _by_artefact(self) -> dict[Artefact, Node]:
        return {node.artefact: node for node in self.nodes()}

    def refused(self, node: Node) -> list[Status]:
        """What makes a node's parents stale, if any is: then nothing should be made from them. Missing ones are named
        when they are read."""
        is_refused = any(self.status(parent).status == STALE for parent in self.parents(node))
        return self.stale_upstream(node) if is_refused else []

    def stale_upstream(self, node: Node) -> list[Status]:
        """The first of a node's upstream that are not as they should be, because of which its parents are not."""
        stale = [parent for parent in self.parents(node) if not _tolerated(node, self.status(parent))]
        found: dict[Node, Status] = {}
        while stale:
            status = self.status(stale.pop(0))
            before = [each for each in self.parents(status.node) if not _tolerated(status.node, self.status(each))]
            if status.inherited and before:
                stale += [each for each in before if each not in found and each not in stale]
            else:
                found[status.node] = status
        return list(found.values())

    def _judge(self, node: Node, upstream: list[Status]) -> Status:
        record = self._record(node.artefact)
        if record is None:
            problem = self._store.problem(node.artefact)
            causes = [f"cannot be used: {problem}" if problem else NEVER_MADE]
            causes += self._root_causes(node, None)
            return Status(node, MISSING, causes, self.seconds(node))
        own = [*self._own_causes(node, record), *self._changed_upstream(node, record, upstream)]
        inherited = [is_stale(parent) for parent in upstream if not _tolerated(node, parent)]
        if own or inherited:
            return Status(node, STALE, own + inherited, self.seconds(node), inherited=not own)
        if self._instance and self._recorded.get(node) != record.data_version:
            return Status(node, UNRECORDED, ["is on disk, but Dagster's database does not know it"], 0.0)
        return Status(node, FRESH, [], record.seconds)

    def _own_causes(self, node: Node, record: Lineage) -> list[str]:
        causes = self._code_causes(node, record) + self._root_causes(node, record)
        causes += [
            f"its check {name} failed: {verdict['description']}"
            for name, verdict in record.checks.items()
            if not verdict["passed"] and not verdict["expected"]
        ]
        return causes

    def _code_causes(self, node: Node, record: Lineage) -> list[str]:
        if record.code_version == (self._graph.get(dg.AssetKey(node.key)).code_version or ""):
            return []
        former = node.key, record.code_version
        if former not in self._changed_code:
            names = changed_code(node.key, record.code, definitions_of(node.key)) or ["the list of what it calls"]
            more = f" and {len(names) - NAMED_DEFINITIONS} more" if len(names) > NAMED_DEFINITIONS else ""
            self._changed_code[former] = f"its code changed: {', '.join(names[:NAMED_DEFINITIONS])}{more}"
        return [self._changed_code[former]]

    def _root_causes(self, node: Node, record: Lineage | None) -> list[str]:
        """What the files say against the record of a root: other content, or faults."""
        try:
            now = self._expected_version(node)
        except ArcPipelineError as error:
            return [f"its file cannot be used: {error}"]
        if now is None or record is None or now == record.data_version:
            return []
        fields = changed(record.config, self._config(node)) or ["how it is derived"]
        file = "datasets" if node.key == "arc_source" else node.artefact.partition
        return [f"{file} changed: {'; '.join(fields)} (version {record.data_version[:8]} -> {now[:8]})"]

    def _config(self, node: Node) -> dict[str, Any]:
        """What the record of a root would have as its configuration now."""
        if node.key == "arc_source":
            return dict(self._datasets.source_files(node.artefact.partition))
        return CONFIG_FIELDS[node.key](self._experiments.get(node.artefact.partition))

    def _expected_version(self, node: Node) -> str | None:
        """The data version that a root would have now, None for what is no root."""
        if node.key == "arc_source":
            return self._datasets.source_hash(node.artefact.partition)
        if node.key not in CONFIG_FIELDS:
            return None
        return config_version(node.key, self._experiments.get(node.artefact.partition), self._store)

    def _changed_upstream(self, node: Node, record: Lineage, upstream: list[Status]) -> list[str]:
        causes = []
        for name, used in record.upstream.items():
            current = self._record(Artefact.parse(name))
            if current is not None and current.data_version != used and not self._same_questions(node, record, current):
                causes.append(f"{name} has a new version ({used[:8]} -> {current.data_version[:8]})")
        # other code may read other artefacts
        if node.key in COUNTS_ITS_UPSTREAM and not self._code_causes(node, record):
            present = {str(parent.node.artefact) for parent in upstream if parent.status != MISSING}
            causes += [f"{name} is new" for name in sorted(present - record.upstream.keys())]
            causes += [f"{name} is gone" for name in sorted(record.upstream.keys() - present)]
        if optional := OPTIONAL_UPSTREAM.get(node.key):
            parents = {str(parent.node.artefact) for parent in upstream}
            of_it = (name for name in record.upstream if Artefact.parse(name).asset == optional)
            causes += [f"{name} is not wanted any more" for name in of_it if name not in parents]
        return causes

    def _same_questions(self, node: Node, record: Lineage, current: Lineage) -> bool:
        """Whether the evaluation tasks that a node was made from ask the same as now: their solutions came later, or
        changed, and the node reads none."""
        artefact = Artefact.parse(current.artefact)
        if node.key not in READS_NO_SOLUTIONS or artefact.asset != "evaluation_tasks":
            return False
        used = self._store.upstream(record).get(artefact)
        asked = current.metadata.get(QUESTIONS)
        return used is not None and asked is not None and used.metadata.get(QUESTIONS) == asked

    @cached_property
    def _recorded(self) -> dict[Node, str]:
        """The data version of the latest materialization that Dagster knows, for every node."""
        return {
            Node(key.to_user_string(), partition): version
            for key in self._graph.toposorted_asset_keys
            for partition, version in self._versions(key).items()
        }

    def _versions(self, key: dg.AssetKey) -> dict[str | None, str]:
        if self._instance is None:
            return {}
        if self._graph.get(key).partitions_def is None:
            event = self._instance.get_latest_materialization_event(key)
            latest_one = event.asset_materialization if event else None
            return {None: (latest_one.tags or {}).get(DATA_VERSION_TAG, "")} if latest_one else {}
        # the tags alone: to fetch thousands of whole events takes seconds
        tags = self._instance.event_log_storage.get_latest_tags_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        return {partition: of_partition.get(DATA_VERSION_TAG, "") for partition, of_partition in tags.items()}


def _tolerated(node: Node, parent: Status) -> bool:
    return parent.status in {FRESH, UNRECORDED} or (parent.status == MISSING and node.key in FAN_IN)
