"""One tokenization for training and prediction, also after a checkpoint was saved and loaded."""

from pathlib import Path

import pytest

from arc_pipeline.arc.rendering.encoder import LARGEST_GRID, parse_encoder
from arc_pipeline.arc.rendering.vocabulary import split
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction.constraints import longest_completion
from arc_pipeline.model.weights.tokenization import (
    decode_ids,
    encode_example,
    encode_text,
    load_tokenizer,
    saved_tokenizer,
    tiny_tokenizer,
)

ENCODER = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")


@pytest.fixture(params=["tiny", "bpe"])
def tokenizer(request: pytest.FixtureRequest):
    """Every tokenizer of these tests in turn."""
    return tiny_tokenizer() if request.param == "tiny" else request.getfixturevalue("bpe")


def test_a_prediction_prompt_is_the_beginning_of_the_training_example(prompts, tokenizer) -> None:
    for prompt in prompts:
        ids = encode_text(tokenizer, prompt.text)
        example = encode_example(tokenizer, prompt)
        assert example.input_ids[: len(ids)] == ids
        assert decode_ids(tokenizer, example.input_ids[len(ids) : -1]) == prompt.answer
        assert decode_ids(tokenizer, example.input_ids[:-1]) == prompt.text + prompt.answer
        assert example.supervised == [False] * len(ids) + [True] * (len(example.input_ids) - len(ids))


def test_the_bpe_of_these_tests_merges_across_the_seam(prompts, bpe) -> None:
    joined = [encode_text(bpe, prompt.text + prompt.answer) for prompt in prompts]
    assert all(ids != encode_example(bpe, prompt).input_ids[:-1] for ids, prompt in zip(joined, prompts, strict=True))


def test_the_tiny_tokenizer_follows_the_rule_of_the_vocabulary(prompts) -> None:
    tokenizer = tiny_tokenizer()
    for prompt in prompts:
        assert tokenizer.convert_ids_to_tokens(encode_text(tokenizer, prompt.text)) == split(prompt.text)


def test_a_saved_tokenizer_gives_the_same_ids(prompts, tokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    loaded = saved_tokenizer(tmp_path)
    assert all(encode_text(loaded, prompt.text) == encode_text(tokenizer, prompt.text) for prompt in prompts)
    assert loaded.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize("load", [lambda directory: load_tokenizer(str(directory)), saved_tokenizer])
def test_a_tokenizer_without_padding_pads_with_its_end(bpe, tmp_path: Path, load) -> None:
    bpe.save_pretrained(str(tmp_path))
    loaded = load(tmp_path)
    assert loaded.pad_token_id == loaded.eos_token_id == bpe.eos_token_id


@pytest.mark.parametrize("load", [lambda directory: load_tokenizer(str(directory)), saved_tokenizer])
def test_a_tokenizer_without_an_end_is_refused(bpe, tmp_path: Path, load) -> None:
    bpe.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ArcPipelineError, match=f"model '{tmp_path}': its tokenizer has no end token"):
        load(tmp_path)


def test_padding_of_its_own_is_kept(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(str(tmp_path))
    assert saved_tokenizer(tmp_path).pad_token_id == tiny_tokenizer().pad_token_id


def test_runs_that_a_tokenizer_merges_do_not_shorten_the_longest_completion(prompts, bpe) -> None:
    zeros = len(encode_text(bpe, ENCODER.encode(LARGEST_GRID))) + 1
    longest = longest_completion(bpe, ENCODER)
    assert longest > 1.5 * zeros
    assert all(len(encode_text(bpe, prompt.answer)) < longest for prompt in prompts)
    assert (
        longest_completion(tiny_tokenizer(), ENCODER)
        == len(encode_text(tiny_tokenizer(), ENCODER.encode(LARGEST_GRID))) + 1
    )


def test_all_outputs_after_the_first_carry_loss(prompts) -> None:
    tokenizer = tiny_tokenizer()
    for prompt in prompts:
        example = encode_example(tokenizer, prompt, "all-outputs")
        kept = [token for token, keep in zip(example.input_ids, example.supervised, strict=True) if keep]
        wanted = "".join(prompt.text[begin:end] for begin, end in prompt.outputs[1:]) + prompt.answer
        assert tokenizer.decode(kept[:-1]) == wanted
