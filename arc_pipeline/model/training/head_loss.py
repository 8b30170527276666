"""The loss of a language model's head without all of its logits at once. Knows a model's head, not examples.

Many logits are computed in parts, each of which becomes loss and gradients before the next: the same numbers, in memory
that does not grow with the batch.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from arc_pipeline.model.training.batching import IGNORED

# elements; 64 MB in float32
LOGITS_AT_ONCE = 2**24
EQUAL = 1e-4


class PartwiseCrossEntropy(torch.autograd.Function):
    """See `partwise_cross_entropy`; gradients that are needed are computed with the loss."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradients = [
            torch.zeros_like(tensor) if ctx.needs_input_grad[k] else None for k, tensor in ((0, hidden), (1, weight))
        ]
        kind = torch.get_autocast_dtype(hidden.device.type) if _autocast(hidden) else hidden.dtype
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            weight = weight.to(kind)
            size = max(1, LOGITS_AT_ONCE // len(weight))
            for begin in range(0, len(hidden), size):
                rows = slice(begin, begin + size)
                part = hidden[rows].to(kind)
                total += _part(part, weight, labels[rows], gradients, rows)
        ctx.gradients = gradients
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # none is held longer than it is needed
        return *(None if own is None else own.mul_(gradient) for own in gradients), None


def partwise_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of -log p(label) for hidden states (n, channels), a head's weights (vocabulary, channels), labels (n)."""
    if not torch.is_grad_enabled():
        hidden, weight = hidden.detach(), weight.detach()
    loss: torch.Tensor = PartwiseCrossEntropy.apply(hidden, weight, labels)
    return loss


def _part(
    hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, gradients: list[torch.Tensor | None], rows: slice
) -> torch.Tensor:
    """The loss of some rows; adds what they give to the gradients of all hidden states and of the weights."""
    logits = (hidden @ weight.T).float()
    kept = labels != IGNORED
    places = labels.clamp(min=0)[:, None]
    logits -= logits.logsumexp(dim=1, keepdim=True)
    loss = -(logits.gather(1, places)[:, 0] * kept).sum()
    of_hidden, of_weight = gradients
    if of_hidden is not None or of_weight is not None:
        errors = logits.exp_()
        errors.scatter_add_(1, places, torch.full_like(places, -1, dtype=errors.dtype))
        errors = errors.mul_(kept[:, None]).to(hidden.dtype)
    if of_hidden is not None:
        of_hidden[rows] = errors @ weight
    if of_weight is not None and of_weight.dtype == errors.dtype:
        of_weight.addmm_(errors.T, hidden)
    elif of_weight is not None:
        of_weight += errors.T @ hidden
    return loss


def _autocast(hidden: torch.Tensor) -> bool:
    return torch.is_autocast_enabled(hidden.device.type)


def can_be_partwise(model: Any, batch: Mapping[str, Any]) -> bool:
    """Whether the model's loss is that of its head's plain logits: a few scale or cap them. Found out on a batch."""
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        return False
    training = model.training
    model.eval()
    with torch.no_grad():
        usual = model(**batch, num_items_in_batch=1).loss
        with partwise_loss(model, at_once=0):
            ours = model(**batch, num_items_in_batch=1).loss
    model.train(training)
    return bool((ours - usual).abs() <= EQUAL * usual.abs())


@contextmanager
def partwise_loss(model: Any, at_once: int = LOGITS_AT_ONCE) -> Iterator[None]:
    """Within, the model computes its loss part by part where it would have more than `at_once` logits."""
    head, usual, own = model.get_output_embeddings(), model.loss_function, vars(model).get("_loss_function")

    def loss(logits: torch.Tensor, labels: torch.Tensor, vocab_size: int, **options: Any) -> torch.Tensor:
        hidden, following, n_items = logits, options.get("shift_labels"), options.get("num_items_in_batch")
        n_logits = hidden.shape[:-1].numel() * len(head.weight)
        if following is None or n_items is None or n_logits <= at_once:
            every = torch.nn.functional.linear(hidden, head.weight)
            return usual(logits=every, labels=labels, vocab_size=vocab_size, **options)
        states = hidden.reshape(-1, hidden.shape[-1])
        return partwise_cross_entropy(states, head.weight, following.reshape(-1)) / n_items

    head.forward, model.loss_function = (lambda hidden: hidden), loss
    try:
        yield
    finally:
        del head.forward
        model.loss_function = own
        if own is None:
            del model._loss_function
