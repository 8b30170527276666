"""Candidates' requests completed by a checkpoint. Knows where a checkpoint has its weights and adapters."""

from collections.abc import Sequence
from pathlib import Path

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.requests import CandidateRequest
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.settings import Prediction
from arc_pipeline.model.prediction.complete import complete
from arc_pipeline.model.prediction.constraints import completion_limit
from arc_pipeline.model.prediction.interface import CompletionOptions, Completions
from arc_pipeline.model.weights.checkpoint import task_adapters
from arc_pipeline.model.weights.loading import load_checkpoint
from arc_pipeline.model.weights.tokenization import saved_tokenizer


def complete_candidates(checkpoint: Path, requests: Sequence[CandidateRequest], experiment: Experiment) -> Completions:
    """Yields (index of the request, its completion), each once, as they are finished, in any order.

    Where the checkpoint has adapters of single tasks, each task's prompts are completed with its own.
    """
    encoder, settings, adapters = parse_encoder(experiment.grid_encoder), experiment.predict, task_adapters(checkpoint)
    limit = completion_limit(saved_tokenizer(checkpoint), encoder, settings.constrain)
    by_adapter: dict[Path | None, list[int]] = {}
    for index, request in enumerate(requests):
        by_adapter.setdefault(adapters.get((request.dataset, request.task.task_id)), []).append(index)
    for adapter, indices in by_adapter.items():
        loaded, own = load_checkpoint(checkpoint, adapter, experiment.precision), [requests[index] for index in indices]
        drafts = CandidateDrafts(own, encoder)
        for place, completion in complete(*loaded, own, limit, options_of(settings), drafts):
            yield indices[place], completion


def options_of(settings: Prediction) -> CompletionOptions:
    """How an experiment's settings want prompts to be completed."""
    budget = None if settings.cache_gigabytes is None else int(settings.cache_gigabytes * 1e9)
    return CompletionOptions(settings.batch_size, settings.engine, budget)
