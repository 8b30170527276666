"""A GGUF file becomes plain weights: a model that trains, and a checkpoint that loads without the file."""

import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.checkpoint import save_checkpoint
from arc_pipeline.model.weights.loading import load_checkpoint, load_model, with_adapter
from arc_pipeline.model.weights.tokenization import encode_prompt, load_tokenizer

HIDDEN, INNER, HEADS, LAYERS = 64, 96, 4, 2


@pytest.fixture
def gguf_file(chatting, tmp_path: Path) -> str:
    """A Llama of two layers with 8-bit weights, and the tokenizer with a chat template."""
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in {
        "context_length": 256,
        "embedding_length": HIDDEN,
        "block_count": LAYERS,
        "feed_forward_length": INNER,
        "head_count": HEADS,
        "head_count_kv": HEADS,
        "vocab_size": len(chatting),
    }.items():
        getattr(writer, f"add_{name}")(value)
    writer.add_layer_norm_rms_eps(1e-5)
    _add_tokenizer(writer, chatting)
    for name, shape in _shapes(len(chatting)).items():
        weight = np.random.default_rng(len(name)).normal(0, 0.2, shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.F32 if len(shape) == 1 else gguf.GGMLQuantizationType.Q8_0
        data = weight if len(shape) == 1 else gguf.quants.quantize(weight, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def _add_tokenizer(writer, tokenizer) -> None:
    import json

    described = json.loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    added = {each["id"] for each in described["added_tokens"]}
    writer.add_token_types([3 if token in added else 1 for token in range(len(tokenizer))])
    writer.add_token_merges([" ".join(pair) for pair in described["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.convert_tokens_to_ids("<start>"))
    writer.add_chat_template(tokenizer.chat_template)


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    layer = {f"attn_{each}.weight": (HIDDEN, HIDDEN) for each in ("q", "k", "v", "output")}
    layer |= {"attn_norm.weight": (HIDDEN,), "ffn_norm.weight": (HIDDEN,), "ffn_down.weight": (HIDDEN, INNER)}
    layer |= {"ffn_gate.weight": (INNER, HIDDEN), "ffn_up.weight": (INNER, HIDDEN)}
    blocks = {f"blk.{number}.{name}": shape for number in range(LAYERS) for name, shape in layer.items()}
    return {"token_embd.weight": (vocabulary, HIDDEN), "output_norm.weight": (HIDDEN,), **blocks}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_checkpoint_of_a_gguf_model_stands_alone(gguf_file: str, tmp_path: Path, prompts, method: str) -> None:
    tokenizer = load_tokenizer(gguf_file)
    model = load_model(gguf_file, 0, len(tokenizer))
    assert all(each.dtype == torch.float32 and each.requires_grad for each in model.parameters())
    if method == "lora":
        model = with_adapter(model, Tuning(method="lora", rank=2), 0)
    ids = torch.tensor([encode_prompt(tokenizer, prompts[0].text)[:100]])
    with torch.inference_mode():
        before = model.eval()(ids).logits
    save_checkpoint(model, tokenizer, tmp_path / "saved")
    loaded, saved = load_checkpoint(tmp_path / "saved")
    assert encode_prompt(saved, prompts[0].text)[:100] == ids[0].tolist()
    with torch.inference_mode():
        torch.testing.assert_close(loaded(ids).logits, before, rtol=0, atol=1e-6)


def test_the_chat_template_of_a_gguf_file_is_used(gguf_file: str, chatting, prompts) -> None:
    tokenizer = load_tokenizer(gguf_file)
    assert tokenizer.eos_token == "<turn>"
    assert encode_prompt(tokenizer, prompts[0].text) == encode_prompt(chatting, prompts[0].text)


def test_a_missing_package_is_named(gguf_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr("transformers.utils.import_utils.is_gguf_available", lambda *_: False)
    with pytest.raises(ArcPipelineError, match="pip install gguf"):
        load_tokenizer(gguf_file)
