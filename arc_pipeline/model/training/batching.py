"""Examples to the tensors of one forward pass: padded to one length, or packed in one row. Knows no model.

Logits are computed only where there is a next token to predict: the loss and its gradients are the same.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

IGNORED = -100
Example = dict[str, list[int]]


@dataclass(frozen=True)
class Padded:
    """Tensors of shape (batch, longest); with `keep_all`, logits of every token, for models that cannot do less."""

    pad_token_id: int
    keep_all: bool = False

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        labels = _padded([example["labels"] for example in examples], IGNORED)
        batch = {
            "input_ids": _padded([example["input_ids"] for example in examples], self.pad_token_id),
            "attention_mask": _padded([[1] * len(example["input_ids"]) for example in examples], 0),
            "labels": labels,
        }
        return batch if self.keep_all else batch | _supervised(labels)


def _padded(rows: Sequence[list[int]], padding: int) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=padding)


def _supervised(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    following = _following(labels)
    kept = following != IGNORED
    return {"logits_to_keep": kept, "shift_labels": following[kept]}


def _following(labels: torch.Tensor) -> torch.Tensor:
    """The label of the next token, at every token."""
    return torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)


def packed(examples: Sequence[Example]) -> dict[str, Any]:
    """One row of all examples, for `segmented_attention`: positions restart in each, and none predicts the next."""
    lengths = [len(example["input_ids"]) for example in examples]
    labels = torch.tensor([[label for example in examples for label in (IGNORED, *example["labels"][1:])]])
    following = _following(labels)[0]
    kept = (following != IGNORED).nonzero().squeeze(-1)
    return {
        "input_ids": torch.tensor([[token for example in examples for token in example["input_ids"]]]),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "segment_lengths": lengths,
        "labels": labels,
        "logits_to_keep": kept,
        "shift_labels": following[kept],
        "use_cache": False,
    }


def can_keep_few(model: Any) -> bool:
    """Whether the model computes logits of chosen tokens alone; a few old ones take no mask."""
    return hasattr(inspect.getmodule(type(model)), "slice_logits_to_keep")
