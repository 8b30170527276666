"""A cut vocabulary: the same tokens for every ARC prompt, and the same logits for each of them."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from arc_pipeline.arc.augmentation.recipes import RecipeDrawer
from arc_pipeline.arc.experiment import AugmentationConfig, Experiment, TrainingData
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.checkpoint import save_checkpoint
from arc_pipeline.model.weights.loading import load_checkpoint, load_start
from arc_pipeline.model.weights.small_vocabulary import cut_tokenizer, keep_rows, rows_of
from arc_pipeline.model.weights.tokenization import (
    encode_example,
    encode_prompt,
    encode_text,
    load_tokenizer,
    saved_tokenizer,
    tiny_tokenizer,
)

ENCODERS = (
    "MinimalGridEncoder()",
    "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))",
    "GridCodeBlockEncoder(MinimalGridEncoder())",
    "GridCodeBlockEncoder(GridWithSeparationEncoder('|'))",
    "RowNumberEncoder(GridWithSeparationEncoder(', '))",
    "GridWithSeparationEncoder(' and ')",
    "GridWithSeparationEncoder('│')",
)
WORDS = "Once a model was asked for the grid of a last output, it turned around and wrote: 12 0034 in 5x6 shapes. " * 3


def an_experiment(**changes: object) -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields | changes)


def trained(model: str, texts):
    """A tokenizer that also knows much that no ARC prompt has, and whose digits merge."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<end>", "<never seen>"]
    if model == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
        alphabet = [chr(code) for code in range(32, 127)] + ["\n", "│"]
        trainer = trainers.UnigramTrainer(
            vocab_size=500, special_tokens=special, unk_token="<unk>", initial_alphabet=alphabet, show_progress=False
        )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unk>", pad_token="<end>")


@pytest.fixture(scope="module")
def tokenizers(prompts, chatting_with_all):
    """By name."""
    texts = [prompt.text + prompt.answer for prompt in prompts[:20]] + [WORDS]
    return {"bpe": trained("bpe", texts), "unigram": trained("unigram", texts), "chat": chatting_with_all}


def recipes(tasks, encoder: str, n: int):
    sources = [TrainingData(dataset="d"), TrainingData(dataset="d", prompt="input-from-inputs-v0")]
    drawer = RecipeDrawer(sources, {"d": tasks}, AugmentationConfig(), 3)
    return [recipe.render(task, parse_encoder(encoder)) for recipe, task in map(drawer.draw, range(n))]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", ["bpe", "unigram", "chat"])
def test_real_examples_have_the_same_tokens(tokenizers, real_tasks, kind: str, encoder: str) -> None:
    whole = tokenizers[kind]
    cut = cut_tokenizer(whole, parse_encoder(encoder))
    rows = rows_of(cut, whole)
    assert len(cut) < len(whole)
    assert cut.eos_token == whole.eos_token
    for prompt in recipes(real_tasks, encoder, 60):
        for supervise in ("answer", "all-outputs"):
            ours, theirs = encode_example(cut, prompt, supervise), encode_example(whole, prompt, supervise)
            assert [rows[token] for token in ours.input_ids] == theirs.input_ids
            assert ours.supervised == theirs.supervised


grids = (
    st.integers(1, 30)
    .flatmap(lambda width: st.lists(st.tuples(*[st.integers(0, 9)] * width), min_size=1, max_size=30))
    .map(tuple)
)


@given(st.sampled_from(ENCODERS), st.sampled_from(sorted(PROMPTS)), st.lists(grids, min_size=2, max_size=4), st.data())
def test_any_prompt_has_the_same_tokens(tokenizers, encoder: str, prompt: str, drawn, data) -> None:
    whole = tokenizers[data.draw(st.sampled_from(sorted(tokenizers)))]
    cut = cut_tokenizer(whole, parse_encoder(encoder))
    pairs = [Pair(grid, grid[::-1]) for grid in drawn]
    rendered = PROMPTS[prompt](pairs[1:], pairs[0], parse_encoder(encoder))
    rows = rows_of(cut, whole)
    assert [rows[token] for token in encode_example(cut, rendered).input_ids] == encode_example(
        whole, rendered
    ).input_ids


def test_every_text_still_has_ids(tokenizers) -> None:
    cut = cut_tokenizer(tokenizers["bpe"], parse_encoder(ENCODERS[0]))
    assert cut.decode(encode_text(cut, "Zürich, 42 ¿?")) == "Zürich, 42 ¿?"


def test_cutting_again_changes_nothing(tokenizers) -> None:
    for whole in tokenizers.values():
        cut = cut_tokenizer(whole, parse_encoder(ENCODERS[0]))
        again = cut_tokenizer(cut, parse_encoder(ENCODERS[0]))
        assert json.loads(again.backend_tokenizer.to_str()) == json.loads(cut.backend_tokenizer.to_str())


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def saved_model(request: pytest.FixtureRequest, tokenizers, tmp_path: Path) -> Path:
    """A model directory whose embedding has more rows than its tokenizer has tokens, as Qwen's has."""
    tokenizer = tokenizers["chat"]
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 40,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=request.param,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(str(tmp_path / "model"))
    tokenizer.save_pretrained(str(tmp_path / "model"))
    return tmp_path / "model"


def logits(model, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(torch.tensor([ids])).logits[0]


def test_logits_of_kept_tokens_are_the_same(saved_model: Path, prompts) -> None:
    whole, whole_tokenizer = load_start(str(saved_model), an_experiment())
    cut, tokenizer = load_start(str(saved_model), an_experiment(vocabulary="used"))
    rows = rows_of(tokenizer, whole_tokenizer)
    assert cut.config.vocab_size == len(tokenizer) == cut.get_input_embeddings().num_embeddings
    assert cut.config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.convert_ids_to_tokens(cut.get_input_embeddings().padding_idx) == whole_tokenizer.pad_token
    shared = [each.get_input_embeddings().weight is each.get_output_embeddings().weight for each in (whole, cut)]
    assert shared == [whole.config.tie_word_embeddings] * 2
    for prompt in prompts[:3]:
        ids = encode_prompt(tokenizer, prompt.text)
        expected = logits(whole, [rows[token] for token in ids])[:, rows]
        torch.testing.assert_close(logits(cut, ids), expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
def test_a_checkpoint_of_a_cut_model_stands_alone(saved_model: Path, prompts, tmp_path: Path) -> None:
    model, tokenizer = load_start(str(saved_model), an_experiment(vocabulary="used"))
    save_checkpoint(model, tokenizer, tmp_path / "saved")
    ids = encode_prompt(tokenizer, prompts[0].text)
    for loaded, saved in (
        load_checkpoint(tmp_path / "saved"),
        load_start(str(tmp_path / "saved"), an_experiment(vocabulary="used")),
    ):
        assert encode_prompt(saved, prompts[0].text) == ids
        torch.testing.assert_close(logits(loaded, ids), logits(model, ids), rtol=0, atol=0)
    assert (
        len(saved_tokenizer(tmp_path / "saved"))
        == json.loads((tmp_path / "saved/config.json").read_text())["vocab_size"]
    )


def test_the_tiny_model_is_cut_already() -> None:
    assert load_tokenizer("tiny", an_experiment(vocabulary="used")).get_vocab() == tiny_tokenizer().get_vocab()


def test_a_tokenizer_that_cannot_do_with_less_is_refused(chatting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc_pipeline.model.weights.small_vocabulary.occurs_in", lambda *_: lambda token: False)
    with pytest.raises(ArcPipelineError, match=r"\(BPE\) cannot be reduced; set vocabulary: full"):
        cut_tokenizer(chatting, parse_encoder(ENCODERS[0]))


def test_keep_rows_of_a_head_with_a_bias(tokenizers) -> None:
    whole = tokenizers["bpe"]
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(whole), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
        )
    )
    model.lm_head = torch.nn.Linear(16, len(whole), bias=True)
    cut = cut_tokenizer(whole, parse_encoder(ENCODERS[0]))
    rows = rows_of(cut, whole)
    expected = model.lm_head.bias[rows].clone()
    keep_rows(model, rows, cut)
    torch.testing.assert_close(model.lm_head.bias, expected)
