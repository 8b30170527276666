"""The loss of a head part by part is the loss of all logits, and so are its gradients."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.model.training import head_loss
from arc_pipeline.model.training.batching import IGNORED, packed
from arc_pipeline.model.training.head_loss import can_be_partwise, partwise_cross_entropy, partwise_loss
from arc_pipeline.model.training.trainer import collator
from arc_pipeline.model.weights.loading import TINY_CONFIG, random_model, with_adapter

VOCABULARY = 50
EXAMPLES = [{"input_ids": list(range(3, 20)), "labels": [IGNORED] * 9 + list(range(12, 20))} for _ in range(3)]


@pytest.fixture
def model() -> Any:
    found = random_model(TINY_CONFIG | {"num_hidden_layers": 1}, VOCABULARY, seed=1)
    assert collator(found, "auto", 0) is packed
    return found


@given(st.integers(1, 40), st.integers(2, 30), st.integers(1, 200), st.integers(0, 1000))
def test_equal_to_the_usual_loss_and_gradients(n: int, vocabulary: int, at_once: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden, weight = torch.randn(n, 8, generator=generator), torch.randn(vocabulary, 8, generator=generator)
    labels = torch.randint(-1, vocabulary, (n,), generator=generator)
    labels[labels < 0] = IGNORED
    both = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_loss, "LOGITS_AT_ONCE", at_once)
        for way in (partwise_cross_entropy, usual):
            leaves = [each.clone().requires_grad_() for each in (hidden, weight)]
            loss = way(*leaves, labels)
            (3 * loss).backward()
            both.append([loss.detach(), *(leaf.grad for leaf in leaves)])
    for ours, expected in zip(*both, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def usual(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(hidden @ weight.T, labels, ignore_index=IGNORED, reduction="sum")


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("adapter", [False, True])
def test_a_model_with_tied_weights_has_the_same_gradients(
    model: Any, monkeypatch: pytest.MonkeyPatch, adapter: bool, autocast: bool
) -> None:
    wrapped = with_adapter(model, Tuning(method="lora", rank=2), seed=0) if adapter else model
    monkeypatch.setattr(head_loss, "LOGITS_AT_ONCE", 7 * VOCABULARY)
    found = []
    for at_once in (10**9, 0):
        wrapped.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast), partwise_loss(model, at_once):
            loss = wrapped(**packed(EXAMPLES), num_items_in_batch=torch.tensor(24)).loss
        loss.backward()
        gradients = [each.grad.clone() for each in wrapped.parameters() if each.grad is not None]
        found.append((loss.detach(), torch.cat([each.flatten() for each in gradients])))
    (usual_loss, expected), (loss, gradients) = found
    tolerance = 2e-2 if autocast else 1e-6
    torch.testing.assert_close(loss, usual_loss, rtol=tolerance, atol=0)
    assert (gradients - expected).abs().max() <= tolerance * expected.abs().max()


def test_no_more_logits_than_allowed_are_ever_there(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_loss, "LOGITS_AT_ONCE", 5 * VOCABULARY)
    sizes: list[int] = []
    part = head_loss._part
    monkeypatch.setattr(head_loss, "_part", lambda hidden, *rest: sizes.append(len(hidden)) or part(hidden, *rest))
    with partwise_loss(model, at_once=0):
        model(**packed(EXAMPLES), num_items_in_batch=24).loss.backward()
    assert sizes == [5, 5, 5, 5, 4]


def test_a_model_that_caps_its_logits_keeps_its_usual_loss(model: Any) -> None:
    assert can_be_partwise(model, packed(EXAMPLES[:1]))
    whole = type(model).forward

    class Capped(type(model)):  # type: ignore[misc]
        def forward(self, *args: Any, labels: Any = None, **options: Any) -> Any:
            found = whole(self, *args, **options)
            capped = torch.tanh(found.logits)
            found.loss = self.loss_function(logits=capped, labels=labels, vocab_size=VOCABULARY, **options)
            return found

    model.__class__ = Capped
    assert not can_be_partwise(model, packed(EXAMPLES[:1]))


def test_a_head_with_a_bias_keeps_its_usual_loss(model: Any) -> None:
    model.set_output_embeddings(torch.nn.Linear(128, VOCABULARY, bias=True))
    assert not can_be_partwise(model, packed(EXAMPLES[:1]))
