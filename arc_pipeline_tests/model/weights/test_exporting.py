"""Exported models in other programs: another type, an adapter with its base, an older transformers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.model.weights.checkpoint import save_checkpoint
from arc_pipeline.model.weights.exporting import Export, export_adapter, export_model
from arc_pipeline.model.weights.loading import load_start, with_adapter
from arc_pipeline.model.weights.tokenization import encode_text

FIELDS = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
LORA = Experiment.model_validate(FIELDS | {"tuning": {"method": "lora", "rank": 2}})
# knows nothing of this package
ANSWER = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
assert "arc_pipeline" not in sys.modules
tokenizer, model = AutoTokenizer.from_pretrained(sys.argv[1]), AutoModelForCausalLM.from_pretrained(sys.argv[1])
answers = []
for prompt in json.loads(sys.argv[2]):
    messages = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=25)[0, inputs["input_ids"].shape[1] :]
    answers.append([inputs["input_ids"][0].tolist(), ids.tolist()])
print(json.dumps([transformers.__version__, answers]))
"""


def card(export: Export) -> str:
    return f"ends with {export.end}"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A checkpoint whose adapter changes its answers."""
    import torch

    model, tokenizer = load_start("tiny", LORA)
    adapted = with_adapter(model, LORA.tuning, 3)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            parameter += 0.05 * ("lora_B" in name)
    save_checkpoint(adapted, tokenizer, tmp_path / "content")
    (tmp_path / "content" / "experiment.yaml").write_text(json.dumps(LORA.model_dump(exclude={"name"})))
    return tmp_path / "content"


def test_weights_of_another_type_are_rounded(content: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    export_model(content, tmp_path / "whole", LORA, card, "float32")
    export_model(content, tmp_path / "half", LORA, card, "bfloat16")
    whole, half = (AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("whole", "half"))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    for one, other in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(one.to(torch.bfloat16), other)


def test_an_adapter_goes_with_its_base(content: Path, tmp_path: Path, prompts) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export_adapter(content, tmp_path / "adapter", LORA, card, "tiny")
    export_model(content, tmp_path / "whole", LORA, card, "float32")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "whole")
    ids = torch.tensor([encode_text(tokenizer, prompts[0].text)[:50]])
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.chdir(tmp_path / "adapter")  # where the name of the base is found
        alone = AutoPeftModelForCausalLM.from_pretrained(".")(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")(ids).logits
    assert torch.allclose(alone, merged, atol=1e-4)


def test_nothing_is_left_of_an_export_that_fails(content: Path, tmp_path: Path) -> None:
    def fails(export: Export) -> str:
        raise RuntimeError("no card")

    with pytest.raises(RuntimeError):
        export_model(content, tmp_path / "new", LORA, fails, "float32")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content"]


@pytest.mark.drill
def test_an_older_transformers_answers_alike(content: Path, tmp_path: Path, prompts) -> None:
    """transformers 4.57 in a directory of its own, before this environment's."""
    export_model(content, tmp_path / "whole", LORA, card, "float32")
    older = tmp_path / "older"
    install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(older), "transformers==4.57.*"]
    if subprocess.run(install, capture_output=True).returncode:
        pytest.skip("transformers 4.57 cannot be installed here: no registry is reachable")
    asked = json.dumps([prompt.text for prompt in prompts[:10]])
    answers = {}
    for place in ("", str(older)):
        environment = {**os.environ, "PYTHONPATH": place}
        command = [sys.executable, "-c", ANSWER, str(tmp_path / "whole"), asked]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        version, answers[place] = json.loads(ran.stdout)
        assert version.startswith("4.57" if place else "5.")
    assert answers[str(older)] == answers[""]
