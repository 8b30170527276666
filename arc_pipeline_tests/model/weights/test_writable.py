"""A tokenizer that cannot write prompts or answers is refused before anything is trained."""

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.tokenization import tiny_tokenizer
from arc_pipeline.model.weights.writable import refuse_lost_characters


def an_experiment(**changes: object) -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields | {"model": "m/x"} | changes)


def of_characters(characters: str, normalizer: object = None, decoder: object = None):
    """A tokenizer of these characters alone, as solvers of ARC shrink theirs; others are dropped."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(vocab={character: place for place, character in enumerate(characters)}, merges=[]))
    tokenizer.decoder = decoder or decoders.Fuse()
    if normalizer:
        tokenizer.normalizer = normalizer
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")


ALL = "".join(map(chr, range(32, 127))) + "\n"


def test_usual_tokenizers_can_write(bpe, chatting) -> None:
    for tokenizer in (tiny_tokenizer(), bpe, chatting, of_characters(ALL)):
        refuse_lost_characters(tokenizer, an_experiment())
        refuse_lost_characters(tokenizer, an_experiment(train=[{"dataset": "d", "prompt": "input-from-inputs-v0"}]))


def test_lost_letters_are_named() -> None:
    with pytest.raises(ArcPipelineError, match=r"'m/x'.*x: lost are ' ' \. : A I O ` a d e g h i") as caught:
        refuse_lost_characters(of_characters("0123456789\n"), an_experiment())
    assert "grid_encoder" in str(caught.value)


def test_lost_digits_are_named() -> None:
    with pytest.raises(ArcPipelineError, match="lost are 7;"):
        refuse_lost_characters(of_characters(ALL.replace("7", "")), an_experiment())


def test_normalized_letters_are_named() -> None:
    from tokenizers import normalizers

    with pytest.raises(ArcPipelineError, match="lost are A I O;"):
        refuse_lost_characters(of_characters(ALL, normalizers.Lowercase()), an_experiment())


def test_lost_line_breaks_are_named() -> None:
    from tokenizers import Regex, normalizers

    with pytest.raises(ArcPipelineError, match=r"lost are \\n;"):
        refuse_lost_characters(of_characters(ALL, normalizers.Replace(Regex("\n"), " ")), an_experiment())


def test_an_answer_that_cannot_be_read_back_is_refused() -> None:
    from tokenizers import decoders

    # all characters are there, in another order
    swapped = decoders.Sequence([decoders.Fuse(), decoders.Replace("98", "89")])
    with pytest.raises(ArcPipelineError, match=r"cannot be read back by .*: it is another grid"):
        refuse_lost_characters(of_characters(ALL, decoder=swapped), an_experiment())
