"""Completions by a checkpoint: kept ones are read, the others computed, those of several temperatures in one go.

A run of one partition computes that partition's. Where a refresh or a backfill makes several temperatures of an
experiment, its first run computes the completions of all of them, with one prefill, and the other runs only read.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
from dagster._core.definitions.partitions.utils.multi import MULTIPARTITION_KEY_DELIMITER

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.completions import Completion, Shards, completion_key
from arc_pipeline.arc.prediction.requests import DECODINGS, CandidateRequest
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.policy import DECODINGS_TAG
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.accelerator import accelerator
from arc_pipeline.machine.durations import readable_duration
from arc_pipeline.store.code_migration import former_version
from arc_pipeline.store.code_version import code_of
from arc_pipeline.store.pruning import COMPLETIONS
from arc_pipeline.uncounted import uncounted

BACKFILL_TAG = "dagster/backfill"
REPORT_EVERY_SECONDS = 10


@dataclass(frozen=True)
class Weights:
    """The weights of an experiment in a directory; `version` tells them from all others."""

    experiment: Experiment
    directory: Path
    version: str

    def keys(self, requests: Sequence[CandidateRequest]) -> list[str]:
        """The names of the requests' completions, in their order."""
        from arc_pipeline.model.weights.checkpoint import task_adapters

        adapters = task_adapters(self.directory)
        tasks = [(request.dataset, request.task.task_id) for request in requests]
        names = ["/".join(task) if task in adapters else "" for task in tasks]
        return [
            completion_key(request.prompt, request.seed, request.temperature, name)
            for request, name in zip(requests, names, strict=True)
        ]


def completions(
    context: dg.AssetExecutionContext,
    making: Making,
    weights: Weights,
    requests: Sequence[CandidateRequest],
    also_at: Sequence[float] = (),
) -> list[Completion]:
    """A completion for each request, in their order; those of the same prompts at other temperatures are only kept.

    The time that each took counts for the artefact that it is for, whichever run it was spent in.
    """
    shards, keys = _shards(context, making, weights), weights.keys(requests)
    others = [replace(request, temperature=temperature) for temperature in also_at for request in requests]
    by_key = dict(zip([*keys, *weights.keys(others)], [*requests, *others], strict=True))
    if by_key.keys() - shards.keys():
        with accelerator(making.root, context.log.info):
            _complete_missing(context, making, weights, shards, by_key)
    else:
        context.log.info(f"all {len(by_key):,} completions were kept from before")
    kept = shards.read(set(keys))
    making.count(sum(one.seconds for one in kept.values()))
    if lost := set(keys) - kept.keys():
        raise ArcPipelineError(f"{len(lost)} completions are gone from {shards.directory}; materialize this again")
    return [kept[key].completion for key in keys]


def _shards(context: dg.AssetExecutionContext, making: Making, weights: Weights) -> Shards:
    """Below the version of the checkpoint, with which they are pruned."""
    from arc_pipeline.model.weights.loading import answering_dtype

    experiment = weights.experiment
    place = making.root / COMPLETIONS / experiment.name / making.upstream[f"checkpoint[{experiment.name}]"][:16]
    about = {"weights": weights.version, "code": completions_code(), "settings": experiment.decoding_fields()}
    # completions in another precision are other ones, also where a run is resumed on another machine
    about |= {"dtype": answering_dtype(experiment.precision)}
    former = former_version("completions", completions_code())
    return Shards(place, about, context.log.warning, [about | {"code": former}] if former else [])


def _complete_missing(
    context: dg.AssetExecutionContext,
    making: Making,
    weights: Weights,
    shards: Shards,
    by_key: Mapping[str, CandidateRequest],
) -> None:
    """Computes what is missing, now that no other process does."""
    from arc_pipeline.model.devices import use_flash_attention

    use_flash_attention()
    kept = shards.keys()
    missing = [key for key in by_key if key not in kept]
    report, started = progress(context, len(by_key) - len(missing), len(by_key)), time.monotonic()
    with shards.adding() as add:
        requests = [by_key[key] for key in missing]
        for done, (index, completion) in enumerate(completed(weights, requests), 1):
            add(missing[index], completion)
            report(done)
    making.count(started - time.monotonic())


def completed(weights: Weights, requests: Sequence[CandidateRequest]) -> Iterator[tuple[int, Completion]]:
    """(index of a request, its completion). Completions are kept under the version of all code that is called here."""
    from arc_pipeline.model.prediction.candidates import complete_candidates

    return complete_candidates(weights.directory, requests, weights.experiment)


@uncounted("names where completions are kept")
@cache
def completions_code() -> str:
    """The code version of completions, which are kept for any artefact."""
    return code_of(__name__, "completed").version


@uncounted("tells how far the run is")
def progress(
    context: dg.AssetExecutionContext, kept: int, total: int, what: str = "prompts completed"
) -> Callable[[int], None]:
    """Logs how many prompts are completed, or what else is done, and how long the rest will take, every few seconds
    and at the end.

    The time until the first one is done says nothing of the others: the model is loaded, and prompts are begun together
    that end one after the other. So the rest is told from the speed since then, when some seconds have shown it.
    """
    last, first = time.monotonic(), 0.0
    before = f" ({kept:,} of {total:,} were kept from before)" if kept else ""

    def report(done: int) -> None:
        nonlocal last, first
        now, left = time.monotonic(), total - kept - done
        first = first or now
        if not left or now - last >= REPORT_EVERY_SECONDS:
            last = now
            is_known = done > 1 and now - first >= REPORT_EVERY_SECONDS / 2
            words = f", {readable_duration((now - first) / (done - 1) * left)} left" if left and is_known else ""
            context.log.info(f"{done:,}/{total - kept:,} {what}{words}{before}")

    return report


@uncounted("decides in which run a completion is computed")
def temperatures_together(context: dg.AssetExecutionContext) -> list[float]:
    """The temperature of this run's partition, then those that the same refresh or backfill makes of its experiment."""
    own = _dimensions(context.partition_key)
    others = {*context.run.tags.get(DECODINGS_TAG, "").split(","), *_in_backfill(context, own["experiment"])}
    together = (temperature for name, temperature in DECODINGS.items() if name in others - {own["decoding"]})
    return [DECODINGS[own["decoding"]], *together]


def _in_backfill(context: dg.AssetExecutionContext, experiment: str) -> Iterator[str]:
    """The decodings of an experiment that the backfill of this run makes, if it is of one."""
    backfill = context.instance.get_backfill(context.run.tags.get(BACKFILL_TAG, ""))
    if backfill and backfill.asset_backfill_data:
        subset = backfill.asset_backfill_data.target_subset.get_partitions_subset(context.asset_key)
        parts = (key.split(MULTIPARTITION_KEY_DELIMITER) for key in subset.get_partition_keys())
        yield from (decoding for decoding, name in parts if name == experiment)


def _dimensions(key: str) -> Mapping[str, str]:
    assert isinstance(key, dg.MultiPartitionKey)
    return key.keys_by_dimension


@uncounted("only reads")
def kept_completions(root: Path, weights: Weights, warn: Callable[[str], None]) -> Shards:
    """The completions that are kept of some weights below the directory of a store, for who looks at a run from
    outside."""
    made_from = SimpleNamespace(root=root, upstream={f"checkpoint[{weights.experiment.name}]": weights.version})
    return _shards(SimpleNamespace(log=SimpleNamespace(warning=warn)), made_from, weights)  # type: ignore[arg-type]
