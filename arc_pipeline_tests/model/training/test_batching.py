"""Examples that are packed, and logits that are left out, change neither the loss nor a gradient."""

import random
from typing import Any

import pytest
import torch

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.attention import attend_in_segments, can_segment
from arc_pipeline.model.training.batching import IGNORED, Padded, packed
from arc_pipeline.model.training.trainer import collator
from arc_pipeline.model.weights.loading import load_model, with_adapter

VOCABULARY = 60


def an_example(seed: int, length: int, supervised: int) -> dict[str, list[int]]:
    """Random tokens, of which the last ones carry loss."""
    ids = random.Random(seed).choices(range(VOCABULARY), k=length)
    return {"input_ids": ids, "labels": [IGNORED] * (length - supervised) + ids[length - supervised :]}


EXAMPLES = [an_example(1, 30, 7), an_example(2, 12, 3), an_example(3, 21, 20), an_example(4, 2, 1)]


def loss_and_gradients(batch: dict[str, Any], segmented: bool = False, lora: bool = False) -> tuple[Any, Any]:
    """Of the tiny model, in float32."""
    model: Any = load_model("tiny", 3, VOCABULARY)
    if segmented:
        attend_in_segments(model)
    if lora:
        model = with_adapter(model, Tuning(method="lora", rank=4), 5)
    n_items = torch.tensor(sum(token != IGNORED for each in EXAMPLES for token in each["labels"]))
    loss = model.train()(**batch, num_items_in_batch=n_items).loss
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("fast", ["kept", "packed"])
def test_loss_and_gradients_are_those_of_the_plain_way(fast: str, lora: bool) -> None:
    plain = loss_and_gradients(Padded(0, keep_all=True)(EXAMPLES), lora=lora)
    if fast == "kept":
        loss, gradients = loss_and_gradients(Padded(0)(EXAMPLES), lora=lora)
    else:
        loss, gradients = loss_and_gradients(packed(EXAMPLES), segmented=True, lora=lora)
    torch.testing.assert_close(loss, plain[0], rtol=0, atol=1e-6)
    assert gradients.keys() == plain[1].keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, plain[1][name], rtol=0, atol=1e-6, msg=name)


def losses(examples: list[dict[str, list[int]]], segmented: bool = True) -> torch.Tensor:
    """The loss of each supervised token of a packed row."""
    model = load_model("tiny", 3, VOCABULARY).eval()
    batch = packed(examples)
    if segmented:
        attend_in_segments(model)
    else:
        del batch["position_ids"]
    with torch.inference_mode():
        logits = model(**batch).logits[0]
    return torch.nn.functional.cross_entropy(logits, batch["shift_labels"], reduction="none")


def test_an_example_does_not_see_the_one_before_it() -> None:
    changed = [an_example(9, 30, 7), *EXAMPLES[1:]]
    before, after = losses(EXAMPLES), losses(changed)
    assert torch.equal(before[7:], after[7:])
    assert not torch.equal(before[:7], after[:7])


def test_the_test_of_isolation_fails_where_there_is_none() -> None:
    changed = [an_example(9, 30, 7), *EXAMPLES[1:]]
    assert not torch.equal(losses(EXAMPLES, segmented=False)[7:], losses(changed, segmented=False)[7:])


def test_a_row_without_lengths_is_refused() -> None:
    model = load_model("tiny", 3, VOCABULARY)
    attend_in_segments(model)
    with pytest.raises(TypeError, match="segment_lengths"):
        model(torch.tensor([[1, 2, 3]]))


def test_a_model_whose_attention_is_windowed_is_padded() -> None:
    model = load_model("tiny", 3, VOCABULARY)
    assert can_segment(model)
    model.config.sliding_window = 8
    assert isinstance(collator(model, "auto", 0), Padded)
    with pytest.raises(ArcPipelineError, match="packing: on, but"):
        collator(model, "on", 0)
    assert model.config._attn_implementation == "sdpa"


def test_a_large_vocabulary_costs_logits_only_where_there_is_loss() -> None:
    model = load_model("tiny", 3, VOCABULARY)
    assert model(**Padded(0)(EXAMPLES)).logits.shape == (31, VOCABULARY)
    assert model(**Padded(0, keep_all=True)(EXAMPLES)).logits.shape == (4, 30, VOCABULARY)
