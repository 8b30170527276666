"""Examples to the tensors of one forward pass: padded to one length, or packed in one row. Knows no model.

Logits are asked for only where there is a next token to predict: the loss and its gradients are the same.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

IGNORED = -100
Example = dict[str, list[int]]


@dataclass(frozen=True)
class Padded:
    """Tensors of shape (batch, longest); with `keep_all`, logits of every token, for models that cannot do less."""

    pad_token_id: int
    keep_all: bool = False

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        longest = max(len(example["input_ids"]) for example in examples)
        labels = _filled([example["labels"] for example in examples], IGNORED, longest)
        batch = {
            "input_ids": _filled([example["input_ids"] for example in examples], self.pad_token_id, longest),
            "attention_mask": _filled([[1] * len(example["input_ids"]) for example in examples], 0, longest),
            "labels": labels,
        }
        return batch if self.keep_all else batch | _supervised(labels)


def _filled(rows: Sequence[list[int]], filler: int, length: int) -> torch.Tensor:
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


def _supervised(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    following = _following(labels)
    kept = following != IGNORED
    return {"logits_to_keep": kept, "shift_labels": following[kept]}


def _following(labels: torch.Tensor) -> torch.Tensor:
    """The label of the token after each."""
    return torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)


def packed(examples: Sequence[Example]) -> dict[str, Any]:
    """One row of all examples, for `segmented_attention`: positions begin anew in each, and none predicts the next."""
    lengths = [len(example["input_ids"]) for example in examples]
    labels = torch.tensor([[token for each in examples for token in (IGNORED, *each["labels"][1:])]])
    following = _following(labels)[0]
    kept = (following != IGNORED).nonzero().squeeze(-1)
    return {
        "input_ids": torch.tensor([[token for each in examples for token in each["input_ids"]]]),
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
