"""Log-probabilities of given answers to a prompt. Knows token ids, not grids or tasks.

The probability is the model's own, over its whole vocabulary and with the end token: no grammar makes tokens certain.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction.shared_prefix import (
    BufferSize,
    Prefill,
    SharedPrefixCache,
    Step,
    bytes_per_token,
    run_turn,
    shared_prefix,
)

TOKENS_OF_A_PASS = 2048


def answer_logprobs(
    model: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]], n_tokens: int = TOKENS_OF_A_PASS
) -> list[float]:
    """The sum over its tokens, in nats, for each answer; -inf for one that does not fit into the model's context.

    The prompt goes through the model once. Answers of similar lengths share passes of about `n_tokens`. Raises
    ArcPipelineError if an answer or the prompt is empty, if the model's logits are not finite, or if its attention is
    of its own kind.
    """
    if not prompt or not all(answers):
        raise ArcPipelineError(f"a prompt of {len(prompt)} tokens and answers of {[*map(len, answers)]}: one is empty")
    room = model.config.max_position_embeddings - len(prompt)
    order = sorted((i for i, ids in enumerate(answers) if len(ids) <= room), key=lambda i: -len(answers[i]))
    sums = [-np.inf] * len(answers)
    if not order:
        return sums
    if bytes_per_token(model) is None:
        _check_finite(_plain_logits(model, prompt))  # such a model fails the comparison too
        raise ArcPipelineError(f"{type(model).__name__} has attention of its own kind: its answers cannot be scored")
    batches = list(_batches(order, answers, n_tokens))
    size = BufferSize(1, max(map(len, batches)), max(1, len(prompt) - 1), len(answers[order[0]]))
    with torch.inference_mode(), shared_prefix(model):
        cache = _prefilled(model, prompt, size)
        for batch in batches:
            for index, total in zip(batch, _score(model, cache, prompt, [answers[i] for i in batch]), strict=True):
                sums[index] = total
    return sums


def _batches(order: Sequence[int], answers: Sequence[Sequence[int]], n_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in order:
        if batch and sum(len(answers[i]) for i in batch) + len(answers[index]) > n_tokens:
            yield batch
            batch = []
        batch.append(index)
    yield batch


def _prefilled(model: Any, prompt: Sequence[int], size: BufferSize) -> SharedPrefixCache:
    """The prompt without its last token, which every answer begins with."""
    cache, n_before = SharedPrefixCache(size), len(prompt) - 1
    if n_before:
        ids = torch.tensor(prompt[:-1], device=model.device)
        positions = torch.arange(n_before, device=model.device)
        run_turn(model, ids, positions, Prefill(cache, [0], [n_before]), positions[:1])
    return cache


def _score(
    model: Any, cache: SharedPrefixCache, prompt: Sequence[int], answers: Sequence[Sequence[int]]
) -> list[float]:
    device, lengths = model.device, [len(ids) for ids in answers]
    rows = np.repeat(np.arange(len(answers)), lengths)
    places = np.concatenate([np.arange(length) for length in lengths])
    given = torch.tensor([token for ids in answers for token in (prompt[-1], *ids[:-1])], device=device)
    wanted = torch.tensor([token for ids in answers for token in ids], device=device)
    before = np.full(len(rows), len(prompt) - 1)
    step = Step(cache, rows, places, before, device)
    positions = torch.from_numpy(before + places).to(device)
    logits = run_turn(model, given, positions, step, torch.arange(len(rows), device=device)).float()
    chosen = logits.log_softmax(-1).gather(-1, wanted[:, None])[:, 0]
    _check_finite(chosen)
    return [float(part.double().sum()) for part in chosen.cpu().split(lengths)]


def _plain_logits(model: Any, ids: Sequence[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits  # type: ignore[no-any-return]


def _check_finite(values: torch.Tensor) -> None:
    if not bool(values.isfinite().all()):
        raise ArcPipelineError("the model's probabilities are not finite (NaN): its weights are damaged or overflow")
