"""Chat templates frame prompts: the same frame for training and prediction, and answers end with their turn."""

from pathlib import Path

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.chat import ChatFrame, chat_frame, end_of_turn
from arc_pipeline.model.weights.tokenization import (
    decode_ids,
    encode_example,
    encode_prompt,
    encode_text,
    load_tokenizer,
    saved_tokenizer,
    tiny_tokenizer,
)


def an_experiment(chat: str) -> Experiment:
    fields = {"name": "x", "chat": chat, "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields)


@pytest.fixture
def loaded(chatting, tmp_path: Path):
    """The tokenizer with a template, loaded as a training would."""
    chatting.save_pretrained(str(tmp_path))
    return load_tokenizer(str(tmp_path), an_experiment("auto"))


def test_a_prompt_is_the_users_turn_and_its_answer_the_assistants(loaded, prompts) -> None:
    for prompt in prompts[:10]:
        ids = encode_example(loaded, prompt).input_ids
        text = f"<start>user\n{prompt.text}<turn>\n<start>assistant\n{prompt.answer}<turn>"
        assert loaded.decode(ids, skip_special_tokens=False) == text


def test_a_prediction_prompt_is_the_beginning_of_the_training_example(loaded, prompts) -> None:
    for prompt in prompts:
        example, ids = encode_example(loaded, prompt), encode_prompt(loaded, prompt.text)
        assert example.input_ids[: len(ids)] == ids
        assert decode_ids(loaded, example.input_ids[len(ids) : -1]) == prompt.answer
        assert example.input_ids[-1] == loaded.eos_token_id == loaded.convert_tokens_to_ids("<turn>")


def test_supervised_spans_are_those_of_the_outputs(loaded, prompts) -> None:
    for prompt in prompts[:20]:
        example = encode_example(loaded, prompt, "all-outputs")
        kept = [token for token, keep in zip(example.input_ids, example.supervised, strict=True) if keep]
        wanted = "".join(prompt.text[begin:end] for begin, end in prompt.outputs[1:]) + prompt.answer
        assert loaded.decode(kept[:-1]) == wanted


def test_a_saved_tokenizer_frames_as_it_did(loaded, prompts, tmp_path: Path) -> None:
    loaded.save_pretrained(str(tmp_path / "saved"))
    saved = saved_tokenizer(tmp_path / "saved")
    assert saved.eos_token == "<turn>"
    assert all(encode_prompt(saved, each.text) == encode_prompt(loaded, each.text) for each in prompts[:10])


def test_without_chat_the_template_is_gone(chatting, prompts, tmp_path: Path) -> None:
    chatting.save_pretrained(str(tmp_path))
    plain = load_tokenizer(str(tmp_path), an_experiment("off"))
    plain.save_pretrained(str(tmp_path / "saved"))
    for tokenizer in (plain, saved_tokenizer(tmp_path / "saved")):
        assert (tokenizer.chat_template, tokenizer.eos_token) == (None, "<end>")
        assert encode_prompt(tokenizer, prompts[0].text) == encode_text(tokenizer, prompts[0].text)


def test_a_tokenizer_without_a_template_has_no_frame(bpe) -> None:
    assert chat_frame(tiny_tokenizer()) == chat_frame(bpe) == ChatFrame()
    assert end_of_turn(bpe) is None


def test_a_template_that_tells_the_date_tells_the_same_every_day(chatting) -> None:
    chatting.chat_template = "{{ strftime_now('%d %b %Y') }}: {% for each in messages %}{{ each.content }}{% endfor %}"
    assert chat_frame(chatting).before == "26 Jul 2024: "


def test_turns_that_end_with_no_special_token_keep_the_tokenizers_end(chatting, tmp_path: Path) -> None:
    chatting.chat_template = "{% for each in messages %}{{ each.role }}: {{ each.content }}\n{% endfor %}"
    chatting.save_pretrained(str(tmp_path))
    assert load_tokenizer(str(tmp_path)).eos_token == "<end>"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('no users here') }}", "cannot be used .*no users here.*set chat: off"),
        ("{{ messages[0].content | upper }}", "does not repeat its messages verbatim; set chat: off"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(chatting, template: str, message: str) -> None:
    chatting.chat_template = template
    with pytest.raises(ArcPipelineError, match=message):
        chat_frame(chatting)
