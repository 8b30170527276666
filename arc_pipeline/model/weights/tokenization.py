"""Text to token ids, the same way for training and prediction. Knows prompts and tokenizers, not models.

A prompt and its answer are encoded apart and joined, so the ids of a prediction's prompt are always the beginning of
the training example's. That holds for every tokenizer, also for those that merge characters across the seam.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arc_pipeline.arc.augmentation.recipes import Measure, Recipe
from arc_pipeline.arc.rendering import vocabulary
from arc_pipeline.arc.rendering.encoder import GridEncoder, parse_encoder
from arc_pipeline.arc.rendering.prompt import Prompt
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.chat import chat_frame, end_of_turn
from arc_pipeline.model.weights.small_vocabulary import cut_tokenizer
from arc_pipeline.model.weights.source import TINY, ModelSource

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from arc_pipeline.arc.experiment import Experiment

EOS, PAD, UNKNOWN = "<|end|>", "<|pad|>", "<|unknown|>"


@dataclass(frozen=True)
class EncodedExample:
    """Token ids of one example; `supervised[k]` says whether token k carries loss."""

    input_ids: list[int]
    supervised: list[bool]


def load_tokenizer(model: str, experiment: "Experiment | None" = None) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model, with an experiment's chat template and vocabulary; the tiny model's is built here.

    It carries all that makes prompts into ids: without a chat template, none is used, and its end token ends answers.
    """
    if model == TINY:
        return tiny_tokenizer()
    tokenizer = _tokenizer_from(ModelSource.find(model))
    if experiment and experiment.chat == "off":
        tokenizer.chat_template = None
    tokenizer = _with_end_and_pad(tokenizer, model)
    if experiment and experiment.vocabulary == "used":
        return cut_tokenizer(tokenizer, parse_encoder(experiment.grid_encoder))
    return tokenizer


def _tokenizer_from(source: ModelSource) -> "PreTrainedTokenizerBase":
    directory = Path(source.location)
    if not source.arguments and (directory / "tokenizer.json").is_file():
        return _described_tokenizer(directory)
    from transformers import AutoTokenizer

    with source.readable():
        return AutoTokenizer.from_pretrained(source.location, **source.arguments)


def saved_tokenizer(directory: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer that `save_tokenizer` wrote."""
    return _with_end_and_pad(_described_tokenizer(directory), str(directory))


def _described_tokenizer(directory: Path) -> "PreTrainedTokenizerBase":
    """What tokenizer.json describes. `AutoTokenizer` would take the class that is usual for the model's architecture
    and split text by that class's rules."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(directory))


def _with_end_and_pad(tokenizer: "PreTrainedTokenizerBase", model: str) -> "PreTrainedTokenizerBase":
    """An answer needs an end, with a chat template that of its turn; a padding needs none of its own: it is masked."""
    tokenizer.eos_token = end_of_turn(tokenizer) or tokenizer.eos_token
    if tokenizer.eos_token_id is None:
        raise ArcPipelineError(
            f"model {model!r}: its tokenizer has no end token, so no answer could end; "
            "name one as eos_token in its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def tiny_tokenizer() -> "PreTrainedTokenizerBase":
    """One token a character or fixed phrase of the prompts (`arc.rendering.vocabulary`)."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = (PAD, EOS, UNKNOWN, *vocabulary.PHRASES, *vocabulary.CHARACTERS)
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(vocabulary.PATTERN), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, pad_token=PAD, unk_token=UNKNOWN)


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a prompt, up to where its answer begins."""
    return encode_text(tokenizer, chat_frame(tokenizer).around(text))


def encode_text(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a text that stands alone, such as an answer's."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_texts(tokenizer: "PreTrainedTokenizerBase", texts: list[str]) -> list[list[int]]:
    """Token ids of many texts, each as `encode_text` gives them."""
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def decode_ids(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> str:
    """The text of ids, character by character: some tokenizers would remove spaces before punctuation."""
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def encode_example(tokenizer: "PreTrainedTokenizerBase", prompt: Prompt, supervise: str = "answer") -> EncodedExample:
    """The ids of prompt, answer and end token. Loss on the answer, or on all outputs after the first demonstration."""
    frame, spans = chat_frame(tokenizer), supervise == "all-outputs"
    encoded = tokenizer(frame.around(prompt.text), add_special_tokens=False, return_offsets_mapping=spans)
    answer = [*encode_text(tokenizer, prompt.answer), tokenizer.eos_token_id]
    supervised = [False] * len(encoded["input_ids"])
    if spans:
        before = len(frame.before)
        outputs = [(before + begin, before + end) for begin, end in prompt.outputs[1:]]
        supervised = _inside(encoded["offset_mapping"], outputs)
    return EncodedExample([*encoded["input_ids"], *answer], [*supervised, *[True] * len(answer)])


def _inside(offsets: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[bool]:
    """Which tokens lie in one of the spans as a whole; both are in ascending order."""
    result, remaining = [], list(reversed(spans))
    for begin, end in offsets:
        while remaining and remaining[-1][1] <= begin:
            remaining.pop()
        result.append(bool(remaining) and remaining[-1][0] <= begin and end <= remaining[-1][1])
    return result


def measured_by(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> Measure:
    """What tells the number of tokens of an example, and the hash of their ids."""

    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        ids = encode_example(tokenizer, recipe.render(task, encoder)).input_ids
        return len(ids), token_hash(ids)

    return measure


def token_hash(input_ids: list[int]) -> int:
    """63 bits that change with the ids: a recipe's row carries them, and training refuses other ids."""
    content = b"".join(token.to_bytes(4, "little") for token in input_ids)
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


def tokenizer_version(model: str) -> str:
    """Changes whenever the tokenizer would give other ids."""
    if model == TINY:
        return hashlib.sha256("\0".join((*vocabulary.PHRASES, *vocabulary.CHARACTERS)).encode()).hexdigest()
    return ModelSource.find(model).tokenizer_version()


def save_tokenizer(tokenizer: "PreTrainedTokenizerBase", directory: Path) -> None:
    """Writes the files that `saved_tokenizer` and `AutoTokenizer` load."""
    tokenizer.save_pretrained(str(directory))
