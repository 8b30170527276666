"""Completions of a random tiny model: the engine's equal those of `generate`, in every batch and with every draft."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.grammar import Grammar
from arc_pipeline.arc.prediction.requests import PromptRequest
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.model.prediction import engine
from arc_pipeline.model.prediction.complete import PROMPT_TOO_LONG, complete
from arc_pipeline.model.prediction.constraints import CompletionLimit
from arc_pipeline.model.prediction.hf_generate import Sampler
from arc_pipeline.model.prediction.interface import CompletionOptions as Options
from arc_pipeline.model.prediction.interface import EngineParts
from arc_pipeline.model.prediction.shared_prefix import bytes_per_token
from arc_pipeline.model.weights.tokenization import encode_text, encode_texts, tiny_tokenizer

NAMES = ("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))", "GridWithSeparationEncoder('|')")
SHAPES = [(1, 1), (1, 3), (2, 2), (3, 1), (4, 5), (12, 2)]
SIZE = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZE |= {"num_key_value_heads": 2, "max_position_embeddings": 160}
OPEN = CompletionLimit(40, lambda beginning: 1000)
TOKENIZER = tiny_tokenizer()


def random_model(kind: type, config: type) -> Any:
    """Its logits are spread, so that its choices are."""
    torch.manual_seed(1)
    model = kind(config(vocab_size=len(TOKENIZER), bos_token_id=None, eos_token_id=None, **SIZE)).eval()
    model.get_output_embeddings().weight.data *= 40
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return random_model(Qwen2ForCausalLM, Qwen2Config)


@cache
def grids_only(name: str) -> CompletionLimit:
    """Grids of a few shapes."""
    encoder = parse_encoder(name)
    grammar = Grammar(encoder, lambda texts: encode_texts(TOKENIZER, texts), TOKENIZER.eos_token_id, SHAPES)
    return CompletionLimit(grammar.longest, encoder.longest, grammar)


LIMITS = [*map(grids_only, NAMES), OPEN]


def requests(temperatures: Sequence[float] = (0.0, 0.5, 1.0)) -> list[PromptRequest]:
    """Prompts of several lengths, the shortest of one token, several seeds for each."""
    texts = ["1", "23 45", "1234567890" * 3, "98765 43210"]
    return [PromptRequest(text, seed, each) for text in texts for seed in (5, 6) for each in temperatures]


def texts_of(*arguments: Any, **options: Any) -> list[str]:
    found = dict(complete(*arguments, **options))
    return [found[index].text for index in range(len(found))]


class Fixed:
    """The same guesses for all requests."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def family(self, index: int) -> int:
        return 0

    def guesses(self, index: int) -> Iterator[str]:
        return iter(self.texts)

    def finished(self, index: int, completion: Completion) -> None:
        pass


class Learning(Fixed):
    """Whatever was completed last is guessed first."""

    def finished(self, index: int, completion: Completion) -> None:
        self.texts = (completion.text, *self.texts)


# --- the same as generate


@pytest.mark.parametrize("limit", LIMITS, ids=[*NAMES, "open"])
def test_the_engine_completes_as_generate_does(model, limit: CompletionLimit) -> None:
    reference = dict(complete(model, TOKENIZER, requests(), limit, Options(5, "transformers")))
    ours = dict(complete(model, TOKENIZER, requests(), limit, Options(5)))
    for index, wanted in reference.items():
        found = ours[index]
        assert (found.text, found.n_tokens) == (wanted.text, wanted.n_tokens)
        assert found.logprob == pytest.approx(wanted.logprob, abs=1e-3)
        assert found.token_logprobs == pytest.approx(wanted.token_logprobs, abs=1e-3)
    assert len({each.text for each in ours.values()}) > 5


@pytest.mark.parametrize("part", ["shared_prefill", "forced_tokens", "drafts", "preallocated"])
def test_no_part_changes_a_completion(model, part: str) -> None:
    arguments = model, TOKENIZER, requests(), LIMITS[0]
    whole = texts_of(*arguments, Options(), Learning())
    assert texts_of(*arguments, Options(parts=EngineParts(**{part: False})), Learning()) == whole


def test_another_architecture_and_grouped_heads_work_too() -> None:
    llama = random_model(LlamaForCausalLM, LlamaConfig)
    assert bytes_per_token(llama) == 2 * 2 * (2 * 8) * 4
    reference = texts_of(llama, TOKENIZER, requests(), LIMITS[0], Options(8, "transformers"))
    assert texts_of(llama, TOKENIZER, requests(), LIMITS[0]) == reference


def test_a_model_that_the_engine_cannot_compute_is_left_to_generate(caplog: pytest.LogCaptureFixture) -> None:
    """Its layers see a window only, so the engine's attention would compute something else."""
    torch.manual_seed(1)
    window = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
    windowed = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(TOKENIZER), **SIZE, **window)).eval()
    assert bytes_per_token(windowed) is None
    reference = texts_of(windowed, TOKENIZER, requests(), LIMITS[0], Options(engine="transformers"))
    assert texts_of(windowed, TOKENIZER, requests(), LIMITS[0]) == reference
    assert "completed by generate, which is slower" in caplog.text


def test_a_head_of_another_kind_gives_all_logits(model) -> None:
    class Head(torch.nn.Linear):
        pass

    head = model.get_output_embeddings()
    other = Head(head.in_features, head.out_features, bias=False)
    other.weight = head.weight
    reference = texts_of(model, TOKENIZER, requests(), LIMITS[0])
    model.set_output_embeddings(other)
    try:
        assert texts_of(model, TOKENIZER, requests(), LIMITS[0]) == reference
    finally:
        model.set_output_embeddings(head)


# --- independent of all other requests


@cache
def alone(model: Any, limit: CompletionLimit) -> list[str]:
    """The completion of each request without the others; the same for all that is compared with it."""
    return [texts_of(model, TOKENIZER, [one], limit)[0] for one in requests()]


@pytest.mark.parametrize("limit", LIMITS, ids=[*NAMES, "open"])
@pytest.mark.parametrize("options", [Options(1), Options(3), Options()], ids=["one row", "three rows", "many rows"])
def test_a_completion_is_the_same_alone_and_with_others(model, limit: CompletionLimit, options: Options) -> None:
    together = texts_of(model, TOKENIZER, requests(), limit, options, Learning("```grid shape: 2x2\n1 00\n2 00\n```"))
    assert together == alone(model, limit)


def test_one_temperature_alone_is_the_same_as_with_others(model) -> None:
    together = texts_of(model, TOKENIZER, requests(), LIMITS[0])
    for place, temperature in enumerate((0.0, 0.5, 1.0)):
        assert texts_of(model, TOKENIZER, requests([temperature]), LIMITS[0]) == together[place::3]


def test_equal_prompts_without_randomness_are_completed_once(model) -> None:
    counts: list[tuple[int, int]] = []
    found = dict(
        complete(model, TOKENIZER, requests(), LIMITS[0], report=lambda done, total: counts.append((done, total)))
    )
    assert sorted(found) == list(range(24))
    assert counts == [(done, 20) for done in range(1, 21)]
    assert found[0] == found[3]


def test_seeds_and_temperatures_matter(model) -> None:
    found = texts_of(model, TOKENIZER, [PromptRequest("12", seed, 1.0) for seed in range(20)], LIMITS[0])
    assert len(set(found)) > 10


# --- the right distribution, with and without drafts


@cache
def expected_counts(model: Any, temperature: float, draws: int) -> dict[str, float]:
    """How often each of the 110 grids of one row with up to two cells should come, from the model's own logits."""
    encoder, prompt = parse_encoder(NAMES[1]), encode_text(TOKENIZER, "12")
    grids = [((a,),) for a in range(10)] + [((a, b),) for a in range(10) for b in range(10)]
    rules = two_cells().grammar
    found = {}
    for grid in grids:
        text = encoder.encode(grid)
        ids, probability = [*encode_text(TOKENIZER, text), TOKENIZER.eos_token_id], 1.0
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 :].double()
        for place, token in enumerate(ids):
            allowed = list(rules.allowed(ids[:place]))
            probability *= float((logits[place, allowed] / temperature).softmax(-1)[allowed.index(token)])
        found[text] = probability * draws
    assert sum(found.values()) == pytest.approx(draws)
    return found


@cache
def two_cells() -> CompletionLimit:
    encoder = parse_encoder(NAMES[1])
    shapes = [(1, 1), (1, 2)]
    return CompletionLimit(
        4,
        encoder.longest,
        Grammar(encoder, lambda texts: encode_texts(TOKENIZER, texts), TOKENIZER.eos_token_id, shapes),
    )


@pytest.mark.parametrize("way", ["drafts", "learned drafts", "no drafts", "transformers"])
@pytest.mark.parametrize("temperature", [1.0, 6.0])
def test_completions_have_the_distribution_of_the_model(model, temperature: float, way: str) -> None:
    from scipy.stats import chisquare

    draws = 2000
    expected = expected_counts(model, temperature, draws)
    likeliest = max(expected, key=expected.__getitem__)
    drafts = {"drafts": Fixed(likeliest), "learned drafts": Learning("3|4")}.get(way)
    options = Options(500, "transformers" if way == "transformers" else "arc")
    prompts = [PromptRequest("12", seed, temperature) for seed in range(draws)]
    found = texts_of(model, TOKENIZER, prompts, two_cells(), options, drafts)
    rare = [text for text, count in expected.items() if count < 10]
    bins = [*([text] for text in expected if text not in rare), rare]
    observed = [sum(found.count(text) for text in each) for each in bins]
    wanted = [sum(expected[text] for text in each) for each in bins]
    pairs = [(a, b) for a, b in zip(observed, wanted, strict=True) if b]
    assert len(pairs) > 3
    assert sum(observed) == draws
    assert chisquare([a for a, _ in pairs], [b for _, b in pairs]).pvalue > 1e-4


def test_the_reference_leaves_only_what_was_chosen() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).repeat(50, 1)
    sampler = Sampler([PromptRequest("", seed, 1.0) for seed in range(50)], eos_token_id=3)
    left = sampler(torch.zeros(50, 1, dtype=torch.long), logits)
    assert torch.isfinite(left).sum(-1).tolist() == [1] * 50
    assert len(set(left.argmax(-1).tolist())) > 1


# --- drafts, limits and budgets


def test_a_right_draft_saves_passes_and_a_wrong_one_costs_few(model, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, passes = [PromptRequest("23 45", 0, 0.0)], []
    monkeypatch.setattr(engine, "run_turn", lambda *args, run=engine.run_turn: passes.append(1) or run(*args))

    def count(*guesses: str) -> int:
        passes.clear()
        assert texts_of(model, TOKENIZER, prompts, large, Options(), Fixed(*guesses)) == [truth]
        return len(passes)

    encoder = parse_encoder(NAMES[0])
    grammar = Grammar(encoder, lambda texts: encode_texts(TOKENIZER, texts), TOKENIZER.eos_token_id, [(6, 9)])
    large = CompletionLimit(grammar.longest, encoder.longest, grammar)
    truth = texts_of(model, TOKENIZER, prompts, large)[0]
    plain = count()
    assert count(truth) <= 5  # the prompt, and verifications of 8, 16 and 32 tokens
    grid = encoder.decode(truth)
    wrong = encoder.encode(tuple(tuple(9 - cell for cell in row) for row in grid))
    assert plain == 6 * 9 + 1
    assert count(wrong) <= plain
    one_wrong = encoder.encode((*grid[:3], (9 - grid[3][0], *grid[3][1:]), *grid[4:]))
    assert count(one_wrong) <= 7


def test_the_log_probability_is_that_of_the_chosen_tokens(model) -> None:
    [(_, completion)] = complete(model, TOKENIZER, [PromptRequest("123", 5, 1.0)], OPEN)
    prompt, new = encode_text(TOKENIZER, "123"), encode_text(TOKENIZER, completion.text)
    new = [*new, TOKENIZER.eos_token_id][: completion.n_tokens]
    with torch.inference_mode():
        logprobs = model(torch.tensor([prompt + new])).logits.log_softmax(-1)[0]
    wanted = [float(logprobs[len(prompt) - 1 + k, token]) for k, token in enumerate(new)]
    assert completion.token_logprobs.tolist() == pytest.approx(wanted, abs=1e-3)
    assert completion.logprob == pytest.approx(sum(wanted), abs=1e-3)


def test_a_token_without_alternative_has_probability_one(model) -> None:
    limit = grids_only(NAMES[0])
    for _, completion in complete(model, TOKENIZER, requests(), limit):
        ids = [*encode_text(TOKENIZER, completion.text), TOKENIZER.eos_token_id]
        assert len(ids) == completion.n_tokens == len(completion.token_logprobs)
        for place, logprob in enumerate(completion.token_logprobs):
            assert (len(limit.grammar.allowed(ids[:place])) == 1) == (logprob == 0)


@pytest.mark.parametrize("name", ["arc", "transformers"])
def test_a_completion_that_is_too_long_to_be_a_grid_is_ended(model, name: str) -> None:
    limit = CompletionLimit(100, lambda beginning: 5 if beginning[:1] < "M" else 1000)
    prompts = [PromptRequest("123", seed, 1.0) for seed in range(8)]
    completed = dict(complete(model, TOKENIZER, prompts, limit, Options(engine=name), Fixed("0" * 90)))
    ended = [each.n_tokens for each in completed.values() if each.text[:1] < "M"]
    assert ended
    assert max(ended) <= 16
    assert {each.n_tokens for each in completed.values()} != {16}


@pytest.mark.parametrize("name", ["arc", "transformers"])
def test_a_prompt_without_room_for_a_completion_is_refused(model, name: str) -> None:
    prompts = [PromptRequest("1" * length, 0, 0.0) for length in (158, 159, 160, 161)]
    found = dict(complete(model, TOKENIZER, prompts, LIMITS[0], Options(engine=name)))
    assert [found[index].refusal for index in range(4)] == [None, None, PROMPT_TOO_LONG, PROMPT_TOO_LONG]
    assert [found[index].n_tokens for index in range(4)] == [2, 1, 0, 0]


def test_memory_stays_within_the_budget(model, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    true_size = engine.size_of
    monkeypatch.setattr(engine, "size_of", lambda *args: sizes.append(true_size(*args)) or sizes[-1])
    for budget in (3 * 10**4, 6 * 10**4):
        sizes.clear()
        found = texts_of(model, TOKENIZER, requests(), LIMITS[0], Options(cache_bytes=budget))
        assert found == texts_of(model, TOKENIZER, requests(), LIMITS[0])
        assert all(size.n_tokens() * bytes_per_token(model) <= budget for size in sizes[: len(sizes) // 2])
        assert any(size.n_tokens() * bytes_per_token(model) > budget for size in sizes[len(sizes) // 2 :])
    assert engine.cache_bytes(model, Options(cache_bytes=7)) == 7
    assert engine.cache_bytes(model, replace(Options(), cache_bytes=None)) == engine.CACHE_BYTES
