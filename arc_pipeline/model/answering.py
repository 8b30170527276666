"""Questions about test pairs, answered by a checkpoint. Knows prompts and how long answers can be."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arc_pipeline.arc.encoder import LARGEST_GRID, GridEncoder
from arc_pipeline.arc.prediction import Completion, Question
from arc_pipeline.arc.settings import Prediction
from arc_pipeline.arc.task import MAX_SIDE, Grid

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """A question, and the temperature at which it is to be answered."""

    question: Question
    temperature: float


def answer(
    checkpoint: Path,
    wanted: Sequence[Wanted],
    encoder: GridEncoder,
    settings: Prediction,
    report: Report = lambda done, total: None,
) -> Iterator[tuple[Wanted, Completion]]:
    """Each wanted with its completion, as they are finished; `report(done, total)` counts distinct prompts."""
    from arc_pipeline.model.generation import AnswerLimit, Ask, complete
    from arc_pipeline.model.loading import load_checkpoint

    model, tokenizer = load_checkpoint(checkpoint)
    limit = AnswerLimit(longest_answer(tokenizer, encoder), encoder.longest)
    asks = [Ask(each.question.prompt(encoder), each.question.seed, each.temperature) for each in wanted]
    for index, completion in complete(model, tokenizer, asks, limit, settings.batch_size, report):
        yield wanted[index], completion


def longest_answer(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> int:
    """Tokens of the longest answer, its end included."""
    from arc_pipeline.model.tokenization import encode_text

    return max(len(encode_text(tokenizer, encoder.encode(grid))) for grid in _largest_grids()) + 1


def _largest_grids(patterns: int = 8) -> Iterator[Grid]:
    """Grids of the largest size: one of a single colour, and some without runs, which a tokenizer cannot merge."""
    yield LARGEST_GRID
    for seed in range(patterns):
        colours = random.Random(seed)
        yield tuple(tuple(colours.choices(range(10), k=MAX_SIDE)) for _ in range(MAX_SIDE))
