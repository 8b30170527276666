"""Completions by a checkpoint: kept ones are read, the others computed, those of several temperatures in one go.

A run of one partition computes that partition's. Where a refresh or a backfill makes several temperatures of an
experiment, its first run computes the completions of all of them, with one prefill, and the other runs only read.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.partitions.utils.multi import MULTIPARTITION_KEY_DELIMITER

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.completions import Shards, completion_key
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.prediction.questions import DECODINGS, Completion, Question
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.partitions import partition_path
from arc_pipeline.defs.policy import DECODINGS_TAG
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.accelerator import accelerator
from arc_pipeline.model.training.throughput import readable_duration
from arc_pipeline.store.code_migration import former_version
from arc_pipeline.store.code_version import code_of
from arc_pipeline.store.pruning import COMPLETIONS
from arc_pipeline.uncounted import uncounted

if TYPE_CHECKING:
    from arc_pipeline.model.prediction.requests import Wanted

BACKFILL_TAG = "dagster/backfill"
REPORT_EVERY_SECONDS = 10


@dataclass(frozen=True)
class Asked:
    """Questions to weights of an experiment; `version` tells the weights from all others."""

    experiment: Experiment
    weights: Path
    version: str
    questions: Sequence[Question]

    def keys(self, temperatures: Sequence[float]) -> dict[float, list[str]]:
        """For each temperature the names of the completions, in the order of the questions."""
        from arc_pipeline.model.weights.checkpoint import task_adapters

        encoder, adapters = parse_encoder(self.experiment.grid_encoder), task_adapters(self.weights)
        tasks = [(question.dataset, question.task.task_id) for question in self.questions]
        names = ["/".join(task) if task in adapters else "" for task in tasks]
        prompts = [(question.prompt(encoder), question.seed) for question in self.questions]
        return {
            each: [completion_key(*prompt, each, name) for prompt, name in zip(prompts, names, strict=True)]
            for each in temperatures
        }


def completions(
    context: dg.AssetExecutionContext, making: Making, asked: Asked, temperatures: Sequence[float]
) -> list[Completion]:
    """A completion for each question at the first temperature, in their order; those at the others are only kept.

    The time that each took counts for the artefact that it is for, whichever run it was spent in.
    """
    from arc_pipeline.model.prediction.requests import Wanted

    shards, keys = _shards(context, making, asked), asked.keys(temperatures)
    wanted = {
        key: Wanted(question, temperature)
        for temperature in temperatures
        for key, question in zip(keys[temperature], asked.questions, strict=True)
    }
    if wanted.keys() - shards.keys():
        with accelerator(making.root, context.log.info):
            _complete(context, making, asked, shards, wanted)
    else:
        context.log.info(f"all {len(wanted):,} completions were kept from before")
    found = shards.read(set(keys[temperatures[0]]))
    making.count(sum(each.seconds for each in found.values()))
    if lost := set(keys[temperatures[0]]) - found.keys():
        raise ArcPipelineError(f"{len(lost)} completions are gone from {shards.directory}; materialize this again")
    return [found[key].completion for key in keys[temperatures[0]]]


def _shards(context: dg.AssetExecutionContext, making: Making, asked: Asked) -> Shards:
    """Below the version of the checkpoint, with which they are pruned."""
    from arc_pipeline.model.weights.loading import answering_dtype

    name = asked.experiment.name
    place = making.root / COMPLETIONS / name / making.upstream[f"checkpoint[{name}]"][:16]
    about = {"weights": asked.version, "code": CODE_VERSION, "settings": asked.experiment.decoding_fields()}
    # answers in another precision are other answers, also where a run goes on that was begun on another machine
    about |= {"dtype": answering_dtype(asked.experiment.precision)}
    former = former_version("completions", CODE_VERSION)
    return Shards(place, about, context.log.warning, [about | {"code": former}] if former else [])


def _complete(
    context: dg.AssetExecutionContext, making: Making, asked: Asked, shards: Shards, wanted: "Mapping[str, Wanted]"
) -> None:
    """Computes what is missing, now that nobody else does."""
    kept = shards.keys()
    missing = {each: key for key, each in wanted.items() if key not in kept}
    report, started = progress(context, len(wanted) - len(missing), len(wanted)), time.monotonic()
    with shards.adding() as add:
        for done, (each, completion) in enumerate(answers(asked.weights, list(missing), asked.experiment), 1):
            add(missing[each], completion)
            report(done)
    making.count(started - time.monotonic())


def answers(weights: Path, wanted: "Sequence[Wanted]", experiment: Experiment) -> "Iterator[tuple[Wanted, Completion]]":
    """What the model says. Completions are kept under the version of all code that is called here."""
    from arc_pipeline.model.prediction.requests import answer

    encoder = parse_encoder(experiment.grid_encoder)
    return answer(weights, wanted, encoder, experiment.predict, experiment.precision)


# of the completions, which are kept for any artefact
CODE_VERSION = uncounted("names where completions are kept")(code_of(__name__, answers.__name__).version)


@uncounted("tells how far the run is")
def progress(context: dg.AssetExecutionContext, kept: int, total: int) -> Callable[[int], None]:
    """Logs how many prompts are answered and how long the rest will take, every few seconds and at the end."""
    started = last = time.monotonic()
    before = f" ({kept:,} of {total:,} were kept from before)" if kept else ""

    def report(done: int) -> None:
        nonlocal last
        now, left = time.monotonic(), total - kept - done
        if not left or now - last >= REPORT_EVERY_SECONDS:
            last = now
            seconds = readable_duration((now - started) / done * left)
            context.log.info(f"{done}/{total - kept} prompts answered, {seconds} left{before}")

    return report


@uncounted("decides in which run a completion is computed")
def temperatures_together(context: dg.AssetExecutionContext) -> list[float]:
    """The temperature of this run's partition, then those that the same refresh or backfill makes of its experiment."""
    experiment, own = partition_path(context.partition_key).split("/")
    others = {*context.run.tags.get(DECODINGS_TAG, "").split(","), *_in_backfill(context, experiment)}
    return [DECODINGS[own], *(DECODINGS[each] for each in DECODINGS if each in others - {own})]


def _in_backfill(context: dg.AssetExecutionContext, experiment: str) -> Iterator[str]:
    """The decodings of an experiment that the backfill of this run makes, if it is of one."""
    backfill = context.instance.get_backfill(context.run.tags.get(BACKFILL_TAG, ""))
    if backfill and backfill.asset_backfill_data:
        subset = backfill.asset_backfill_data.target_subset.get_partitions_subset(context.asset_key)
        parts = (key.split(MULTIPARTITION_KEY_DELIMITER) for key in subset.get_partition_keys())
        yield from (decoding for decoding, name in parts if name == experiment)
