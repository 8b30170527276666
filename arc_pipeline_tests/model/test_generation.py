"""Completions of a random tiny model: reproducible, independent of the batch, with right log-probabilities."""

import pytest
import torch

from arc_pipeline.arc.prediction import Completion
from arc_pipeline.model.generation import AnswerLimit, Ask, GumbelSampler, complete
from arc_pipeline.model.loading import load_model
from arc_pipeline.model.tokenization import encode_text, tiny_tokenizer

LIMIT = AnswerLimit(12, lambda beginning: 1000)


def completed(model_and_tokenizer, asks: list[Ask], limit: AnswerLimit, batch_size: int) -> list[Completion]:
    """The completions in the order of the asks."""
    answers = dict(complete(*model_and_tokenizer, asks, limit, batch_size))
    return [answers[index] for index in range(len(asks))]


@pytest.fixture(scope="module")
def model_and_tokenizer():
    tokenizer = tiny_tokenizer()
    return load_model("tiny", 3, len(tokenizer)).eval(), tokenizer


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_its_batch(model_and_tokenizer, temperature: float) -> None:
    asks = [Ask("12345"[:length], seed, temperature) for seed, length in enumerate((5, 2, 4, 1), 1)]
    together = completed(model_and_tokenizer, asks, LIMIT, batch_size=4)
    alone = [completed(model_and_tokenizer, [ask], LIMIT, batch_size=1)[0] for ask in asks]
    assert [each.text for each in together] == [each.text for each in alone]
    assert [each.logprob for each in together] == pytest.approx([each.logprob for each in alone], abs=1e-3)


def test_every_ask_is_answered_once_at_its_own_temperature(model_and_tokenizer) -> None:
    asks = [Ask(text, seed, temperature) for temperature in (1.0, 0.0) for text in ("12", "345") for seed in (1, 2)]
    answers = list(complete(*model_and_tokenizer, asks, LIMIT, batch_size=3))
    assert sorted(index for index, _ in answers) == list(range(len(asks)))
    alone = [completed(model_and_tokenizer, [ask], LIMIT, 1)[0].text for ask in asks]
    assert [completion.text for _, completion in sorted(answers, key=lambda each: each[0])] == alone
    assert dict(answers)[4] is dict(answers)[5]  # equal prompts, no randomness


def test_the_log_probability_is_that_of_the_chosen_tokens(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    answer = completed(model_and_tokenizer, [Ask("123", 5, 1.0)], LIMIT, 1)[0]
    prompt, new = encode_text(tokenizer, "123"), encode_text(tokenizer, answer.text)
    new = [*new, tokenizer.eos_token_id][: answer.n_tokens]
    with torch.inference_mode():
        logprobs = model(torch.tensor([prompt + new])).logits.log_softmax(-1)[0]
    wanted = sum(float(logprobs[len(prompt) - 1 + k, token]) for k, token in enumerate(new))
    assert answer.logprob == pytest.approx(wanted, abs=1e-3)


def test_sampling_follows_the_softmax() -> None:
    from scipy.stats import chisquare

    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    draws = 4000
    sampler = GumbelSampler(range(draws), temperature=0.5, eos_token_id=99)
    chosen = sampler(torch.zeros(draws, 1, dtype=torch.long), logits.repeat(draws, 1)).argmax(-1)
    expected = (logits[0] / 0.5).softmax(-1).double()
    expected = expected / expected.sum() * draws
    assert chisquare(torch.bincount(chosen, minlength=4).numpy(), expected.numpy()).pvalue > 1e-4


def test_an_answer_that_is_too_long_to_be_a_grid_is_ended(model_and_tokenizer) -> None:
    limit = AnswerLimit(200, lambda beginning: 5)
    answers = completed(model_and_tokenizer, [Ask("123", seed, 1.0) for seed in range(4)], limit, 4)
    assert all(each.n_tokens <= 17 for each in answers)


def test_an_answer_that_was_ended_does_not_depend_on_its_batch(model_and_tokenizer) -> None:
    limit = AnswerLimit(40, lambda beginning: 5 if beginning[:1] < "M" else 1000)
    asks = [Ask("123", seed, 1.0) for seed in range(8)]
    together = completed(model_and_tokenizer, asks, limit, batch_size=8)
    alone = [completed(model_and_tokenizer, [ask], limit, batch_size=1)[0] for ask in asks]
    assert len({each.n_tokens for each in together}) > 1
    assert [(each.text, each.n_tokens) for each in together] == [(each.text, each.n_tokens) for each in alone]
    assert [each.logprob for each in together] == pytest.approx([each.logprob for each in alone], abs=1e-3)


def test_an_end_counts_as_a_token_and_what_follows_does_not() -> None:
    sampler = GumbelSampler([1, 2], temperature=0.0, eos_token_id=0)
    first, second = torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([[0.0, 5.0], [5.0, 0.0]])
    for logits in (first, second, first):
        sampler(torch.zeros(2, 1, dtype=torch.long), logits)
    step = float(first.log_softmax(-1).max())
    assert sampler.n_tokens.tolist() == [1, 2]
    assert sampler.logprob.tolist() == pytest.approx([step, 2 * step])
