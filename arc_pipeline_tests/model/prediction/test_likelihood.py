"""Log-probabilities of answers on the shared prefix equal teacher forcing with plain transformers."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction import likelihood
from arc_pipeline.model.prediction.likelihood import answer_logprobs

SIZE = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZE |= {"num_key_value_heads": 2, "max_position_embeddings": 60, "vocab_size": 11}
PROMPT = [1, 2, 3, 4, 5, 6, 7]
ANSWERS = [[3, 1, 4, 1, 5, 9, 2, 6], [2], [7, 1, 8], [3, 1, 4], [2, 7] * 9]


def a_model(kind: Any = Qwen2ForCausalLM, config: Any = Qwen2Config) -> Any:
    torch.manual_seed(1)
    model = kind(config(bos_token_id=None, eos_token_id=None, **SIZE)).eval()
    model.get_output_embeddings().weight.data *= 40
    return model


def teacher_forced(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> float:
    ids = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        logprobs = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1)
    return float(logprobs[range(len(answer)), list(answer)].sum())


@pytest.mark.parametrize(("kind", "config"), [(Qwen2ForCausalLM, Qwen2Config), (LlamaForCausalLM, LlamaConfig)])
@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[:1]], ids=["long", "one token"])
@pytest.mark.parametrize("n_tokens", [1, 9, 1000])
def test_equal_to_teacher_forcing(kind: Any, config: Any, prompt: list[int], n_tokens: int) -> None:
    model = a_model(kind, config)
    expected = [teacher_forced(model, prompt, answer) for answer in ANSWERS]
    assert answer_logprobs(model, prompt, ANSWERS, n_tokens) == pytest.approx(expected, abs=1e-4)


def test_the_prompt_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes, run_turn = [], likelihood.run_turn
    monkeypatch.setattr(likelihood, "run_turn", lambda *given: (passes.append(len(given[1])), run_turn(*given))[1])
    answer_logprobs(a_model(), PROMPT, ANSWERS, n_tokens=18)
    assert passes == [len(PROMPT) - 1, 18, 8 + 3 + 3 + 1]


def test_an_answer_that_does_not_fit_into_the_context_has_no_probability() -> None:
    model, fits = a_model(), [1] * (60 - len(PROMPT))
    logprobs = answer_logprobs(model, PROMPT, [[*fits, 1], fits])
    assert logprobs == [-torch.inf, pytest.approx(teacher_forced(model, PROMPT, fits), abs=1e-4)]
    assert answer_logprobs(model, [1] * 61, [[1]]) == [-torch.inf]
    assert answer_logprobs(model, PROMPT, []) == []


def test_weights_that_are_not_numbers_are_said() -> None:
    model = a_model()
    model.get_output_embeddings().weight.data[3] = torch.nan
    with pytest.raises(ArcPipelineError, match="not finite"):
        answer_logprobs(model, PROMPT, [[2]])


def test_numbers_that_overflow_in_an_answer_alone_are_said() -> None:
    model = a_model()
    model.get_input_embeddings().weight.data[10] = torch.nan  # neither the prompt nor the comparison has this token
    # the last token of an answer is not read by the model
    assert all(map(math.isfinite, answer_logprobs(model, PROMPT, [[2, 10]])))
    with pytest.raises(ArcPipelineError, match="not finite"):
        answer_logprobs(model, PROMPT, [[2, 10, 2]])


def test_empty_answers_are_said() -> None:
    with pytest.raises(ArcPipelineError, match="one is empty"):
        answer_logprobs(a_model(), PROMPT, [[1], []])
