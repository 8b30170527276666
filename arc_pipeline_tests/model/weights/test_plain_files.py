"""What plain transformers and peft read of a checkpoint is what was trained."""

import json
from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.model.weights import plain_files
from arc_pipeline.model.weights.checkpoint import save_checkpoint, task_adapter
from arc_pipeline.model.weights.loading import TINY_CONFIG, load_start, random_model, with_adapter
from arc_pipeline.model.weights.plain_files import complete, complete_checkpoint, former_rope
from arc_pipeline.model.weights.tokenization import encode_text, saved_tokenizer, tiny_tokenizer

ENCODER = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")
SMALL = TINY_CONFIG | {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}


def an_experiment(**changes: object) -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields | changes)


def fields(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


def saved(tokenizer, directory: Path) -> Path:
    save_checkpoint(random_model(SMALL, len(tokenizer), 1), tokenizer, directory)
    return directory


@pytest.fixture
def qwen(prompts):
    """A tokenizer that splits text as those of its type do."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([prompt.text for prompt in prompts[:20]], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


@pytest.mark.parametrize("kind", ["tiny", "qwen", "bpe", "chatting"])
def test_auto_tokenizer_gives_the_ids_of_the_training(kind: str, prompts, request, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = tiny_tokenizer() if kind == "tiny" else request.getfixturevalue(kind)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    before = [encode_text(tokenizer, prompt.text + prompt.answer) for prompt in prompts]
    problem = complete(saved(tokenizer, tmp_path), ENCODER)
    auto, ours = AutoTokenizer.from_pretrained(str(tmp_path)), saved_tokenizer(tmp_path)
    assert [encode_text(ours, prompt.text + prompt.answer) for prompt in prompts] == before
    same = [encode_text(auto, prompt.text + prompt.answer) for prompt in prompts] == before
    assert same == (not problem)
    # those split text in other ways than AutoTokenizer does for this type of model: that is said
    assert bool(problem) == (kind in {"bpe", "chatting"})
    if kind == "tiny":
        assert [auto.decode(ids) for ids in before] == [prompt.text + prompt.answer for prompt in prompts]
        assert (auto.eos_token_id, auto.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_the_end_that_was_trained_is_in_both_configurations(chatting, tmp_path: Path) -> None:
    saved(chatting, tmp_path)
    base = fields(tmp_path / "config.json") | {"eos_token_id": 0, "use_cache": False}
    (tmp_path / "config.json").write_text(json.dumps(base))
    sampled = {"eos_token_id": 0, "temperature": 0.7, "repetition_penalty": 1.1, "do_sample": True}
    (tmp_path / "generation_config.json").write_text(json.dumps(sampled))
    complete(tmp_path, ENCODER)
    tokenizer = saved_tokenizer(tmp_path)
    assert tokenizer.eos_token == "<turn>"
    for name in ("config.json", "generation_config.json"):
        assert fields(tmp_path / name)["eos_token_id"] == tokenizer.eos_token_id
        assert fields(tmp_path / name)["pad_token_id"] == tokenizer.pad_token_id
    assert fields(tmp_path / "config.json")["use_cache"] is True
    assert fields(tmp_path / "generation_config.json")["do_sample"] is False
    assert "repetition_penalty" not in fields(tmp_path / "generation_config.json")


def test_what_transformers_4_reads_is_there_too(chatting, tmp_path: Path) -> None:
    saved(chatting, tmp_path)
    complete(tmp_path, ENCODER)
    described = fields(tmp_path / "tokenizer_config.json")
    assert described["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "extra_special_tokens" not in described
    assert described["model_input_names"] == ["input_ids", "attention_mask"]
    assert fields(tmp_path / "config.json")["rope_theta"] == 10_000
    assert (tmp_path / "chat_template.jinja").is_file()


def test_rope_parameters_under_both_names() -> None:
    assert former_rope({"rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}}) == {"rope_theta": 1e6}
    scaled = {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}
    assert former_rope({"rope_parameters": scaled}) == {
        "rope_theta": 5e5,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
    }
    several = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    assert former_rope({"rope_parameters": several}) == {}
    assert former_rope({}) == {}


def test_the_base_of_an_adapter_is_found_from_the_checkpoint_alone(tmp_path: Path, prompts) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    experiment = an_experiment(tuning={"method": "lora", "rank": 2})
    model, tokenizer = load_start("tiny", experiment)
    adapted = with_adapter(model, experiment.tuning, 3)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            parameter += 0.02 * ("lora_B" in name)
    save_checkpoint(adapted, tokenizer, tmp_path)
    assert complete_checkpoint(tmp_path, experiment, "tiny") == []
    adapter = tmp_path / "adapter"
    assert (adapter / fields(adapter / "adapter_config.json")["base_model_name_or_path"]).resolve() == tmp_path / "base"
    ids = torch.tensor([encode_text(tokenizer, prompts[0].text)[:50]])
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.chdir(adapter)
        alone = AutoPeftModelForCausalLM.from_pretrained(str(adapter))(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(str(tmp_path))(ids).logits
        base = AutoModelForCausalLM.from_pretrained(str(tmp_path / "base"))(ids).logits
    assert torch.allclose(alone, merged, atol=1e-4)
    assert not torch.allclose(base, merged, atol=1e-2)
    assert "stands on the directory `base`" in (tmp_path / "README.md").read_text()


def test_adapters_of_tasks_stand_on_the_weights_beside_them(tmp_path: Path) -> None:
    saved(tiny_tokenizer(), tmp_path)
    place = task_adapter(tmp_path, "d", "a/b")
    place.mkdir(parents=True)
    (place / "adapter_model.safetensors").write_bytes(b"")
    (place / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere", "r": 4}')
    complete_checkpoint(tmp_path, an_experiment(), "tiny")
    described = fields(place / "adapter_config.json")
    assert described["r"] == 4
    assert (place / described["base_model_name_or_path"]).resolve() == tmp_path


def test_what_cannot_be_made_right_is_said_beside_the_weights(bpe, tmp_path: Path) -> None:
    if bpe.pad_token is None:
        bpe.pad_token = bpe.eos_token
    saved(bpe, tmp_path)
    [problem] = complete_checkpoint(tmp_path, an_experiment(), "somewhere/else")
    assert plain_files.GENERAL_CLASS in problem
    assert f"**Mind this:** {problem}" in (tmp_path / "README.md").read_text()
