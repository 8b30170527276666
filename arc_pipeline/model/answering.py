"""Questions about test pairs, answered by a checkpoint. Knows prompts and how long answers can be."""

from collections.abc import Callable, Sequence
from pathlib import Path

from arc_pipeline.arc.encoder import LARGEST_GRID, GridEncoder
from arc_pipeline.arc.prediction import Completion, Question

Report = Callable[[int, int], None]


def answer(
    checkpoint: Path,
    questions: Sequence[Question],
    encoder: GridEncoder,
    temperature: float,
    batch_size: int,
    report: Report = lambda done, total: None,
) -> list[Completion]:
    """One completion for each question, in their order; `report(done, total)` counts distinct prompts."""
    from arc_pipeline.model.generation import AnswerLimit, Ask, complete
    from arc_pipeline.model.loading import load_checkpoint
    from arc_pipeline.model.tokenization import encode_text

    model, tokenizer = load_checkpoint(checkpoint)
    limit = AnswerLimit(len(encode_text(tokenizer, encoder.encode(LARGEST_GRID))) + 1, encoder.longest)
    asks = [Ask(question.prompt(encoder), question.seed) for question in questions]
    return complete(model, tokenizer, asks, temperature, limit, batch_size, report)
