"""One tokenization for training and prediction, also after a checkpoint was saved and loaded."""

from pathlib import Path

import pytest

from arc_pipeline.arc.datasets import Catalogue
from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.examples import RecipeDrawer
from arc_pipeline.arc.experiment import AugmentationConfig, TrainingData
from arc_pipeline.arc.vocabulary import split
from arc_pipeline.model.tokenization import encode_example, encode_text, saved_tokenizer, tiny_tokenizer

DATA = Path(__file__).parents[2] / "data"
ENCODER = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")


@pytest.fixture(scope="module")
def prompts():
    """Rendered examples of real tasks."""
    tasks = {"arc-agi-1-training": Catalogue.read(DATA).load("arc-agi-1-training")}
    drawer = RecipeDrawer([TrainingData(dataset="arc-agi-1-training")], tasks, AugmentationConfig(), 7)
    return [recipe.render(task, ENCODER) for recipe, task in map(drawer.draw, range(60))]


def test_a_prediction_prompt_is_the_beginning_of_the_training_example(prompts) -> None:
    tokenizer = tiny_tokenizer()
    for prompt in prompts:
        ids = encode_text(tokenizer, prompt.text)
        example = encode_example(tokenizer, prompt)
        assert example.input_ids[: len(ids)] == ids
        assert tokenizer.decode(example.input_ids[len(ids) : -1]) == prompt.answer
        assert example.supervised == [False] * len(ids) + [True] * (len(example.input_ids) - len(ids))


def test_the_tiny_tokenizer_follows_the_rule_of_the_vocabulary(prompts) -> None:
    tokenizer = tiny_tokenizer()
    for prompt in prompts:
        assert tokenizer.convert_ids_to_tokens(encode_text(tokenizer, prompt.text)) == split(prompt.text)


def test_a_saved_tokenizer_gives_the_same_ids(prompts, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    loaded = saved_tokenizer(tmp_path)
    assert all(encode_text(loaded, prompt.text) == encode_text(tokenizer, prompt.text) for prompt in prompts)
    assert loaded.eos_token_id == tokenizer.eos_token_id


def test_all_outputs_after_the_first_carry_loss(prompts) -> None:
    tokenizer = tiny_tokenizer()
    for prompt in prompts:
        example = encode_example(tokenizer, prompt, "all-outputs")
        kept = [token for token, keep in zip(example.input_ids, example.supervised, strict=True) if keep]
        wanted = "".join(prompt.text[begin:end] for begin, end in prompt.outputs[1:]) + prompt.answer
        assert tokenizer.decode(kept[:-1]) == wanted
