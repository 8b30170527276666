"""Candidates: the grids that completions decode to, their augmentation undone, and the table that has them.

Knows nothing of models. A completion that is no grid is kept with the reason.
"""

import itertools
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import CandidateRequest
from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import Grid
from arc_pipeline.errors import UndecodableGrid

DECODED = "decoded"
ROWS_AT_A_TIME = 1024

PREDICTION_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("task_id", pa.string()),
        ("test_index", pa.int16()),
        ("candidate_index", pa.int32()),
        ("transform", pa.string()),
        ("colour_map", pa.list_(pa.int8())),
        ("demonstrations", pa.list_(pa.int16())),
        ("seed", pa.int64()),
        ("completion", pa.string()),
        ("grid", pa.list_(pa.list_(pa.int8()))),
        ("outcome", pa.string()),
        ("logprob", pa.float64()),
        ("n_tokens", pa.int32()),
        ("token_logprobs", pa.list_(pa.float32())),
    ]
)


def candidates_table(completed: Iterable[tuple[CandidateRequest, Completion]], encoder: GridEncoder) -> pa.Table:
    """The table of predictions, built in parts: rows of Python objects take many times the memory of a table's."""
    rows = (candidate_row(request, completion, encoder) for request, completion in completed)
    parts = iter(lambda: list(itertools.islice(rows, ROWS_AT_A_TIME)), [])
    empty = PREDICTION_SCHEMA.empty_table()
    return pa.concat_tables([empty, *(pa.Table.from_pylist(part, PREDICTION_SCHEMA) for part in parts)])


def candidate_row(request: CandidateRequest, completion: Completion, encoder: GridEncoder) -> dict[str, Any]:
    """One row of the table of predictions; a completion that is no grid is kept, with the reason as its outcome."""
    augmentation = request.recipe.augmentation
    grid, outcome = decode(completion, augmentation, encoder)
    return {
        "dataset": request.dataset,
        "task_id": request.task.task_id,
        "test_index": request.test_index,
        "candidate_index": request.candidate_index,
        "transform": augmentation.transform,
        "colour_map": list(augmentation.colour_map),
        "demonstrations": list(request.recipe.demonstrations),
        "seed": request.seed,
        "completion": completion.text,
        "grid": grid,
        "outcome": outcome,
        "logprob": completion.logprob,
        "n_tokens": completion.n_tokens,
        "token_logprobs": completion.token_logprobs.tolist(),
    }


def decode(completion: Completion, augmentation: Augmentation, encoder: GridEncoder) -> tuple[Grid | None, str]:
    """(grid with the augmentation undone, `decoded`), or (None, why it is no grid)."""
    if completion.refusal:
        return None, completion.refusal
    try:
        return augmentation.invert(encoder.decode(completion.text)), DECODED
    except UndecodableGrid as error:
        return None, str(error)
