"""A checkpoint that was saved computes what the model computed before."""

from pathlib import Path

import pytest
import torch

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.model.weights.checkpoint import ADAPTER, save_checkpoint
from arc_pipeline.model.weights.loading import load_checkpoint, load_model, with_adapter
from arc_pipeline.model.weights.tokenization import encode_text, tiny_tokenizer


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_saved_model_gives_the_same_logits(tmp_path: Path, method: str) -> None:
    tokenizer = tiny_tokenizer()
    model = load_model("tiny", 3, len(tokenizer))
    if method == "lora":
        model = with_adapter(model, Tuning(method="lora", rank=4), 5)
        _disturb(model)
    ids = torch.tensor([encode_text(tokenizer, "1 23\n2 45")])
    with torch.inference_mode():
        before = model.eval()(ids).logits
    save_checkpoint(model, tokenizer, tmp_path)
    loaded, loaded_tokenizer = load_checkpoint(tmp_path)
    assert encode_text(loaded_tokenizer, "1 23\n2 45") == ids[0].tolist()
    with torch.inference_mode():
        after = loaded(ids).logits
    torch.testing.assert_close(after, before, rtol=0, atol=0 if method == "full" else 1e-5)


def _disturb(model: torch.nn.Module) -> None:
    """A fresh adapter adds nothing: gives its zero halves values."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02, generator=torch.Generator().manual_seed(1))


def test_the_sampling_defaults_of_a_checkpoint_are_dropped(tmp_path: Path) -> None:
    model = load_model("tiny", 3, len(tiny_tokenizer()))
    model.generation_config.repetition_penalty = 1.5
    save_checkpoint(model, tiny_tokenizer(), tmp_path)
    assert load_checkpoint(tmp_path)[0].generation_config.repetition_penalty is None


def test_a_gpu_is_used_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = []
    save_checkpoint(load_model("tiny", 3, len(tiny_tokenizer())), tiny_tokenizer(), tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.nn.Module, "to", lambda model, device: placed.append(device) or model)
    model, _ = load_checkpoint(tmp_path)
    assert (placed, model.dtype) == (["cuda"], torch.bfloat16)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
def test_plain_peft_loads_the_adapter_and_computes_what_the_merged_weights_do(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokenizer = tiny_tokenizer()
    model = load_model("tiny", 3, len(tokenizer))
    model.save_pretrained(str(tmp_path / "base"))
    model = with_adapter(model, Tuning(method="lora", rank=4), 5)
    _disturb(model)
    save_checkpoint(model, tokenizer, tmp_path / "merged")
    base = AutoModelForCausalLM.from_pretrained(str(tmp_path / "base"))
    adapted = PeftModel.from_pretrained(base, str(tmp_path / "merged" / ADAPTER)).eval()
    ids = torch.tensor([encode_text(tokenizer, "1 23\n2 45")])
    with torch.inference_mode():
        with_peft, merged = adapted(ids).logits, load_checkpoint(tmp_path / "merged")[0](ids).logits
        with adapted.disable_adapter():
            without = adapted(ids).logits
    torch.testing.assert_close(merged, with_peft, rtol=0, atol=1e-5)
    assert (merged - without).abs().max() > 1e-2
