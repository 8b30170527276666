"""Questions about test pairs, answered by a checkpoint. Knows prompts and how long answers can be."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.encoder import LARGEST_GRID, GridEncoder
from arc_pipeline.arc.prediction.grammar import Grammar
from arc_pipeline.arc.prediction.questions import Completion, Question
from arc_pipeline.arc.settings import Prediction
from arc_pipeline.arc.tasks.task import MAX_SIDE, Grid

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from arc_pipeline.model.prediction.complete import AnswerLimit, Options


@dataclass(frozen=True)
class Wanted:
    """A candidate: the question, and the temperature of its answer."""

    question: Question
    temperature: float


def answer(
    checkpoint: Path,
    wanted: Sequence[Wanted],
    encoder: GridEncoder,
    settings: Prediction,
    precision: str = "auto",
) -> Iterator[tuple[Wanted, Completion]]:
    """Yields each wanted candidate's completion once, as they are finished, in any order.

    Where the checkpoint has adapters of single tasks, each task is asked with its own.
    """
    from arc_pipeline.model.weights.checkpoint import task_adapters
    from arc_pipeline.model.weights.loading import load_checkpoint
    from arc_pipeline.model.weights.tokenization import saved_tokenizer

    limit, adapters = answer_limit(saved_tokenizer(checkpoint), encoder, settings.constrain), task_adapters(checkpoint)
    by_adapter: dict[Path | None, list[Wanted]] = {}
    for each in wanted:
        adapter = adapters.get((each.question.dataset, each.question.task.task_id))
        by_adapter.setdefault(adapter, []).append(each)
    for adapter, asked in by_adapter.items():
        loaded = load_checkpoint(checkpoint, adapter, precision)
        yield from _answered(*loaded, asked, encoder, limit, options_of(settings))


def _answered(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    wanted: Sequence[Wanted],
    encoder: GridEncoder,
    limit: "AnswerLimit",
    options: "Options",
) -> Iterator[tuple[Wanted, Completion]]:
    """By one model."""
    from arc_pipeline.model.prediction.complete import Ask, complete

    # a question is wanted at several temperatures: its prompt is rendered once
    questions = {id(each.question): each.question for each in wanted}
    prompts = {key: question.prompt(encoder) for key, question in questions.items()}
    asks = [Ask(prompts[id(each.question)], each.question.seed, each.temperature) for each in wanted]
    drafts = CandidateDrafts([each.question for each in wanted], encoder)
    for index, completion in complete(model, tokenizer, asks, limit, options, drafts):
        yield wanted[index], completion


def options_of(settings: Prediction) -> "Options":
    """How the settings want answers to be computed."""
    from arc_pipeline.model.prediction.complete import Options

    budget = None if settings.cache_gigabytes is None else int(settings.cache_gigabytes * 1e9)
    return Options(settings.batch_size, settings.engine, budget)


def answer_limit(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder, constrain: bool) -> "AnswerLimit":
    """What answers can be: grids in this encoding, or any text that is not longer than a grid can be."""
    from arc_pipeline.model.prediction.complete import AnswerLimit

    if not constrain:
        return AnswerLimit(longest_answer(tokenizer, encoder), encoder.longest)
    grammar = token_grammar(tokenizer, encoder)
    return AnswerLimit(grammar.longest, encoder.longest, grammar)


def token_grammar(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> Grammar:
    """The grammar of an encoder over a tokenizer's ids, as training encodes answers."""
    from arc_pipeline.model.weights.tokenization import encode_texts

    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    return Grammar(encoder, lambda texts: encode_texts(tokenizer, texts), end)


def longest_answer(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> int:
    """Tokens of the longest answer, its end included."""
    from arc_pipeline.model.weights.tokenization import encode_text

    return max(len(encode_text(tokenizer, encoder.encode(grid))) for grid in _largest_grids()) + 1


def _largest_grids(patterns: int = 8) -> Iterator[Grid]:
    """Grids of the largest size: one of a single colour, and some without runs, which a tokenizer cannot merge."""
    yield LARGEST_GRID
    for seed in range(patterns):
        colours = random.Random(seed)
        yield tuple(tuple(colours.choices(range(10), k=MAX_SIDE)) for _ in range(MAX_SIDE))
