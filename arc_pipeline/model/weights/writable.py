"""Whether a tokenizer can write what an experiment shows and asks for. One that cannot trains without a word, and no
answer of its model can be read."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.errors import ArcPipelineError, UndecodableGrid
from arc_pipeline.model.weights.chat import chat_frame
from arc_pipeline.model.weights.tokenization import decode_ids, encode_text
from arc_pipeline.uncounted import uncounted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

uncounted("refuses; no example or answer is another one because of it")

# every colour, also in rows that have a number of two digits
SAMPLE = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), *((9, 8, 7, 6, 5, 4, 3, 2, 1, 0),) * 29)


def refuse_lost_characters(tokenizer: "PreTrainedTokenizerBase", experiment: Experiment) -> None:
    """ArcPipelineError with the characters of prompts or answers that are lost in the tokenizer's ids, if there are
    any; also if an answer that keeps all its characters cannot be read back."""
    lost: Counter[str] = Counter()
    for text in _texts(tokenizer, experiment):
        back = Counter(decode_ids(tokenizer, encode_text(tokenizer, text)))
        # line breaks at the ends are dropped by some, and nothing is lost by that
        lost |= Counter(text.strip()) - back
    if lost:
        characters = " ".join(repr(character)[1:-1] if character != " " else "' '" for character in sorted(lost))
        raise ArcPipelineError(
            f"model {experiment.model!r}: its tokenizer cannot write the prompts or answers of {experiment.name}: lost "
            f"are {characters}; take a model whose tokenizer has them, or a grid_encoder and prompt without them"
        )
    encoder = parse_encoder(experiment.grid_encoder)
    written = decode_ids(tokenizer, encode_text(tokenizer, encoder.encode(SAMPLE)))
    try:
        read = encoder.decode(written)
    except UndecodableGrid as error:
        read, why = None, str(error)
    else:
        why = "it is another grid"
    if read != SAMPLE:
        raise ArcPipelineError(
            f"model {experiment.model!r}: an answer that its tokenizer writes cannot be read back by "
            f"{experiment.grid_encoder}: {why}; take a model whose tokenizer keeps text as it is"
        )


def _texts(tokenizer: "PreTrainedTokenizerBase", experiment: Experiment) -> Iterator[str]:
    """A prompt and an answer of each kind that the experiment has."""
    encoder, frame, pair = parse_encoder(experiment.grid_encoder), chat_frame(tokenizer), Pair(SAMPLE, SAMPLE)
    for name in sorted({experiment.predict.prompt, *(data.prompt for data in experiment.training_data)}):
        prompt = PROMPTS[name]([pair, pair], pair, encoder)
        yield frame.around(prompt.text)
        yield prompt.answer
