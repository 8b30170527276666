"""The text of each token: joined it is what the model sees, and loss lies where the training has it."""

import pytest

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.requests import candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import solve_prompt
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.prediction.token_texts import first_prompt_texts, token_texts
from arc_pipeline.model.weights.tokenization import EOS, decode_ids, encode_example, load_tokenizer, tiny_tokenizer

ENCODER = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")


def bpe():
    """Byte-level BPE with merges over words and lines; it writes the end of a token differently after others."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["Input:\n1 12\n2 34\n\nOutput:\n1 21\n2 43"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def word_pieces():
    """A tokenizer whose decoder puts spaces before all words but the first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<end>", "▁", *(f"▁{digit}" for digit in range(10)), *map(str, range(10)), "\n"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="▁"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


@pytest.mark.parametrize("make", [tiny_tokenizer, bpe, word_pieces])
@pytest.mark.parametrize("supervise", ["answer", "all-outputs"])
def test_joined_they_are_what_the_model_sees(make, supervise: str, two_tests: Task) -> None:
    tokenizer = make()
    example = encode_example(tokenizer, solve_prompt(two_tests.train, two_tests.test[0], ENCODER), supervise)
    found = token_texts(tokenizer, example)
    assert "".join(text for text, _ in found) == decode_ids(tokenizer, example.input_ids)
    assert [supervised for _, supervised in found] == example.supervised


@pytest.mark.parametrize(("chat", "framed"), [("auto", True), ("off", False)])
def test_they_are_those_that_the_experiment_trains_on(chatting, two_tests: Task, tmp_path, chat, framed) -> None:
    chatting.save_pretrained(str(tmp_path))
    experiment = Experiment.model_validate(
        {"name": "e", "model": str(tmp_path), "chat": chat, "train": [{"dataset": "d"}], "max_steps": 1}
        | {"predict": {"datasets": ["d"]}, "augmentation": {"geometric": False, "colours": False}}
    )
    request = next(candidate_requests(experiment, {"d": [two_tests]}))
    trained = encode_example(load_tokenizer(str(tmp_path), experiment), request.recipe.render(two_tests, ENCODER))
    found = first_prompt_texts(experiment, "d", two_tests)
    assert len(found) == len(trained.input_ids)
    assert "".join(text for text, _ in found).startswith("One rule") != framed


def test_the_answer_of_the_first_test_pair_carries_loss(two_tests: Task) -> None:
    experiment = Experiment.model_validate(
        {"name": "e", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["c", "d"]}}
        | {"augmentation": {"geometric": False, "colours": False}}
    )
    found = first_prompt_texts(experiment, "d", two_tests)
    answer = "".join(text for text, supervised in found if supervised)
    assert answer == ENCODER.encode(two_tests.test[0].output) + EOS
    assert "".join(text for text, _ in found).endswith(answer)


@pytest.mark.parametrize(("chat", "frame"), [("auto", "<start>user\n"), ("off", "")])
def test_the_frame_of_a_chat_is_shown_as_the_experiment_has_it(chatting, tmp_path, two_tests, chat, frame) -> None:
    chatting.save_pretrained(str(tmp_path))
    fields = {"name": "e", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    experiment = Experiment.model_validate(fields | {"model": str(tmp_path), "chat": chat})
    shown = "".join(text for text, _ in first_prompt_texts(experiment, "d", two_tests))
    assert shown.startswith(f"{frame}One rule")
