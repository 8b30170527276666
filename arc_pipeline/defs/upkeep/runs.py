"""The runs of a refresh: one makes a batch of nodes and says how it ended. Knows nothing of what is stale."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.execution import compute_logs
from dagster._core.instance import types as instance_types

from arc_pipeline.defs.origin import in_timeline
from arc_pipeline.defs.policy import DECODINGS_TAG
from arc_pipeline.defs.run_process import PROCESS_TAG, process_name
from arc_pipeline.defs.staleness.scanner import Node
from arc_pipeline.defs.upkeep.dead_runs import is_interrupted
from arc_pipeline.machine.interrupt import stop_if_interrupted
from arc_pipeline.store.store import Store

QUIET = {"loggers": {"progress": {}}}
# what a person reads of a run first: which command began it, for which experiment
COMMAND_TAG, EXPERIMENT_TAG = "command", "experiment"


@dataclass
class Batch:
    """Nodes of one partition that one run makes together, in topological order.

    `decodings`: those that can be made next of the same experiment; they share the work of predicting.
    """

    partition_key: str | None
    nodes: list[Node] = field(default_factory=list)
    decodings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{', '.join(node.key for node in self.nodes)} [{self.partition_key or 'all'}]"


@dataclass(frozen=True)
class Outcome:
    """How the run of a batch ended: `made` nodes were materialized, `failed` says what went wrong."""

    batch: Batch
    run_id: str
    made: tuple[Node, ...]
    failed: str


def run_batch(
    job: dg.JobDefinition, instance: DagsterInstance, store: Store, batch: Batch, own: Mapping[str, str] = {}
) -> Outcome:
    """One Dagster run in this process, recorded on the instance like any other, with tags of its `own`."""
    stop_if_interrupted()
    before = {node: store.lineage(node.artefact) for node in batch.nodes}
    tags = {PROCESS_TAG: process_name()} | ({DECODINGS_TAG: ",".join(batch.decodings)} if batch.decodings else {})
    if experiment := next((node.experiment for node in batch.nodes if node.experiment), ""):
        tags[EXPERIMENT_TAG] = experiment
    with watchers_apart(), refused_once(), in_timeline(instance, job.name):
        result = job.execute_in_process(
            instance=instance,
            partition_key=batch.partition_key,
            asset_selection=[dg.AssetKey(node.key) for node in batch.nodes],
            raise_on_error=False,
            run_config=QUIET,
            tags={**tags, **own},
        )
    if is_interrupted(instance, result.run_id):
        raise KeyboardInterrupt  # Dagster has recorded it and would let the next batch begin
    made = tuple(node for node in batch.nodes if store.lineage(node.artefact) != before[node])
    return Outcome(batch, result.run_id, made, "" if result.success else _reason(result))


@contextmanager
def watchers_apart() -> Iterator[None]:
    """Takes Dagster's processes that follow the output of a step out of the terminal's group: on Ctrl-C they would
    print a traceback each."""
    compute_logs.subprocess = SimpleNamespace(Popen=partial(subprocess.Popen, start_new_session=True))
    try:
        yield
    finally:
        compute_logs.subprocess = subprocess


@contextmanager
def refused_once() -> Iterator[None]:
    """Leaves it to the end of the run to say what the database refuses, on a full disk for example: Dagster would say
    it for each message, and the threads that follow a program with a traceback."""
    usual = threading.excepthook

    def silent(thread: threading.ExceptHookArgs) -> None:
        if not thread.exc_type.__module__.startswith("sqlalchemy."):
            usual(thread)

    nowhere = SimpleNamespace(write=lambda text: None)
    instance_types.sys = SimpleNamespace(stderr=nowhere, exc_info=sys.exc_info)
    threading.excepthook = silent
    try:
        yield
    finally:
        instance_types.sys, threading.excepthook = sys, usual


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run stumbled over: failed blocking checks first, then errors."""
    checks = [f"its check {check.check_name} failed: {check.description}" for check in _failed_checks(result)]
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    errors = [
        str((failure.user_failure_data and failure.user_failure_data.description) or _innermost(failure.error))
        for failure in failures
    ]
    # a blocking check makes its step fail with words that only say that it did
    return "\n".join(checks or errors) or "failed without a message"


def _failed_checks(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    evaluations = result.get_asset_check_evaluations()
    return [check for check in evaluations if check.blocking and not check.passed and check.severity.value == "ERROR"]


def _innermost(error: Any) -> str:
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed without a message"
