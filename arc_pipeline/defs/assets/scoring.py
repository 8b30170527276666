"""Between stages 4 and 5: how likely each candidate is to the checkpoint, under views of its test pair."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.metric_tables import planned_truths
from arc_pipeline.arc.evaluation.selection import scores_table
from arc_pipeline.arc.evaluation.voting import PairKey
from arc_pipeline.arc.prediction.completions import Completion, Shards
from arc_pipeline.arc.prediction.views import View, answer_key, distinct_grids, views
from arc_pipeline.arc.tasks.task import Grid
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.completing import Weights, progress
from arc_pipeline.defs.assets.configs import scoring_config
from arc_pipeline.defs.assets.prediction import evaluation_tasks, evaluation_tasks_of, predictions
from arc_pipeline.defs.assets.training import checkpoint
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.partitions import experiment_of_scored, same_candidate, scored_experiment
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.accelerator import POOL, accelerator
from arc_pipeline.store.code_version import code_of
from arc_pipeline.store.pruning import COMPLETIONS
from arc_pipeline.store.tables import read_table
from arc_pipeline.uncounted import uncounted

Grids = Mapping[PairKey, Sequence[Grid]]
LEFT_OUT = ("logprobs", "logprob_sum", "logprob_mean", "logprob_min")


@declare.asset(
    group="evaluation",
    by="scored candidate",
    deps=[
        predictions.mapped(same_candidate),
        checkpoint.mapped(experiment_of_scored),
        evaluation_tasks.mapped(experiment_of_scored),
        scoring_config.mapped(experiment_of_scored),
    ],
    kinds={"pytorch", "parquet"},
    automation=None,
    pool=POOL,
)
def scores(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """Log-probabilities of each distinct candidate of a test pair under the same views of it: product of experts.

    They are stored, but the data version leaves them out: they vary in the last digits.
    """
    with workspace.making(context) as making:
        experiment, partition = making.configured("scoring_config"), making.artefact.partition
        directory, name = making.read("checkpoint", experiment.name), f"checkpoint[{experiment.name}]"
        weights = Weights(experiment, directory, making.upstream[name])
        candidates = distinct_grids(making.table("predictions", partition))
        table = scored(context, making, weights, candidates, _with_other_decodings(making, candidates))
        made_by, about = [weights.version, making.code_version], {"views": experiment.predict.score_views}
        return making.save_tables({"scores": table}, LEFT_OUT, made_by, metadata=about)


@declare.asset(
    group="evaluation",
    by="scored",
    deps=[each.mapped(scored_experiment) for each in (checkpoint, evaluation_tasks)] + [scoring_config],
    kinds={"pytorch", "parquet"},
    automation=None,
    pool=POOL,
)
def solution_scores(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """Log-probabilities of the right outputs under the views that candidates are scored under: whether a lost test pair
    is the model's fault or the choice's. Nothing is chosen by them."""
    with workspace.making(context) as making:
        experiment = making.configured("scoring_config")
        directory, name = making.read("checkpoint", experiment.name), f"checkpoint[{experiment.name}]"
        weights = Weights(experiment, directory, making.upstream[name])
        right = {key: [output] for key, output in planned_truths(evaluation_tasks_of(making)).items()}
        table = scored(context, making, weights, right, right)
        return making.save_tables({"solution_scores": table}, LEFT_OUT, [weights.version, making.code_version])


def scored(
    context: dg.AssetExecutionContext, making: Making, weights: Weights, grids: Grids, together: Grids
) -> pa.Table:
    """The table of scores of grids; those that are computed `together` with them are only kept."""
    experiment, tasks = weights.experiment, evaluation_tasks_of(making)
    own = list(views(experiment, tasks, grids))
    keys_of, shards = _keys(weights), _shards(context, making, weights)
    keys = [keys_of(view) for view in own]
    needed = {key for of_view in keys for key in of_view}
    if needed - shards.keys():
        with accelerator(making.root, context.log.info):
            _score_missing(context, making, weights, shards, list(views(experiment, tasks, together)), keys_of)
    kept = shards.read(needed)
    if lost := needed - kept.keys():
        raise ArcPipelineError(f"{len(lost)} scores are gone from {shards.directory}; materialize this again")
    making.count(sum(one.seconds for one in kept.values()))
    found: dict[tuple[PairKey, Grid], tuple[list[float], list[int]]] = {}
    for view, of_view in zip(own, keys, strict=True):
        pair = (view.dataset, view.task.task_id, view.test_index)
        for grid, key in zip(grids[pair], of_view, strict=True):
            logprobs, n_tokens = found.setdefault((pair, grid), ([], []))
            logprobs.append(kept[key].completion.logprob)
            n_tokens.append(kept[key].completion.n_tokens)
    return scores_table((pair, grid, *of_grid) for (pair, grid), of_grid in found.items())


@uncounted("decides in which run a score is computed")
def _with_other_decodings(making: Making, candidates: Grids) -> Grids:
    """The candidates, then those of the other decodings that the same checkpoint answered at: one pass over the
    prompts serves them all."""
    name, together = making.experiment.name, {key: dict.fromkeys(found) for key, found in candidates.items()}
    used = making.lineage("predictions", making.artefact.partition).upstream
    for decoding in making.present("predictions", name):
        partition = f"{name}/{decoding}"
        if partition != making.artefact.partition and making.lineage("predictions", partition).upstream == used:
            other = distinct_grids(read_table(making.current("predictions", partition), "predictions"))
            for key, found in other.items():
                together.setdefault(key, {}).update(dict.fromkeys(found))
    return {key: list(found) for key, found in together.items()}


def _shards(context: dg.AssetExecutionContext, making: Making, weights: Weights) -> Shards:
    """Kept beside the completions of the checkpoint, with which they are pruned."""
    from arc_pipeline.model.weights.loading import answering_dtype

    place = making.root / COMPLETIONS / weights.experiment.name / weights.version[:16]
    about = {"scores_of": weights.version, "code": scores_code()}
    return Shards(place, about | {"dtype": answering_dtype(weights.experiment.precision)}, context.log.warning)


def _keys(weights: Weights) -> Callable[[View], list[str]]:
    """What the scores of a view's answers are kept by."""
    from arc_pipeline.model.weights.checkpoint import task_adapters

    adapters = task_adapters(weights.directory)

    def keys(view: View) -> list[str]:
        task = (view.dataset, view.task.task_id)
        adapter = "/".join(task) if task in adapters else ""
        return [answer_key(view.prompt, answer, adapter) for answer in view.answers]

    return keys


def _score_missing(
    context: dg.AssetExecutionContext,
    making: Making,
    weights: Weights,
    shards: Shards,
    wanted: Sequence[View],
    keys_of: Callable[[View], list[str]],
) -> None:
    """Scores what is not kept, now that no other process does."""
    from arc_pipeline.model.devices import use_flash_attention

    use_flash_attention()
    kept, missing = shards.keys(), list[tuple[View, list[str]]]()
    for view in wanted:
        new = {answer: key for answer, key in zip(view.answers, keys_of(view), strict=True) if key not in kept}
        # equal tasks have equal views
        kept |= set(new.values())
        if new:
            missing.append((replace(view, answers=tuple(new)), list(new.values())))
    report, started = progress(context, len(wanted) - len(missing), len(wanted), "views scored"), time.monotonic()
    with shards.adding() as add:
        for done, (index, scored) in enumerate(scores_of(weights, [view for view, _ in missing]), 1):
            for key, (logprob, n_tokens) in zip(missing[index][1], scored, strict=True):
                add(key, Completion("", logprob, n_tokens))
            report(done)
    making.count(started - time.monotonic())


def scores_of(weights: Weights, wanted: Sequence[View]) -> Iterator[tuple[int, list[tuple[float, int]]]]:
    """(index of a view, (log-probability, tokens) of each answer). Kept under the version of all code called here."""
    from arc_pipeline.model.prediction.scoring import score_views

    return score_views(weights.directory, wanted, weights.experiment)


@uncounted("names where scores are kept")
@cache
def scores_code() -> str:
    """The code version of scores."""
    return code_of(__name__, "scores_of").version
