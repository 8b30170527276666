"""Jobs of the training program, small enough for every test to run one; prompts of real tasks, and tokenizers."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, RecipeDrawer, draw_examples
from arc_pipeline.arc.experiment import AugmentationConfig, Experiment, TrainingData
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.weights.tokenization import encode_example, tiny_tokenizer, token_hash
from arc_pipeline.store.tables import write_table

DATA = Path(__file__).parents[2] / "data"
ENCODER = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")
TEMPLATE = (
    "{% for message in messages %}<start>{{ message.role }}\n{{ message.content | trim }}<turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)
PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
LONGER = Pair(((1, 2, 3), (4, 5, 6), (7, 8, 9)), ((3, 2, 1), (6, 5, 4), (9, 8, 7)))
TASKS = [Task("mirror", PAIRS[:2], PAIRS[2:]), Task("longer", (*PAIRS[:2], LONGER), PAIRS[2:])]


def _make_job(directory: Path, **changes: object) -> Path:
    """The file of a job that trains four steps."""
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 4, "batch_size": 4, "seed": 3}
    fields |= {"predict": {"datasets": ["d"]}, "logging_steps": 2}
    experiment = Experiment.model_validate(fields | changes)
    tokenizer, encoder = tiny_tokenizer(), parse_encoder(experiment.grid_encoder)

    def measure(recipe, task):
        ids = encode_example(tokenizer, recipe.render(task, encoder)).input_ids
        return len(ids), token_hash(ids)

    drawer = RecipeDrawer(experiment.train, {"d": TASKS}, experiment.augmentation, experiment.seed)
    rows = [row for _, row in draw_examples(drawer, experiment.n_examples, 4096, measure)]
    for name in ("output", "work"):
        (directory / name).mkdir(parents=True)
    write_table(pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA), directory, "augmented_examples")
    write_table(tasks_table(TASKS), directory, "tasks")
    job = TrainingJob(
        experiment=experiment,
        start="tiny",
        examples=directory,
        tasks={"d": directory},
        validation_tasks={"d": directory},
        work=directory / "work",
        output=directory / "output",
    )
    (directory / "job.json").write_text(job.model_dump_json())
    return directory / "job.json"


@pytest.fixture
def make_job() -> Callable[..., Path]:
    """A function of a directory and of fields to change that writes a job there and returns its file."""
    return _make_job


@pytest.fixture(scope="session")
def real_tasks():
    """The training tasks of ARC-AGI-1."""
    return Catalogue.read(DATA).load("arc-agi-1-training")


@pytest.fixture(scope="session")
def prompts(real_tasks):
    """Rendered examples of real tasks."""
    tasks = {"arc-agi-1-training": real_tasks}
    drawer = RecipeDrawer([TrainingData(dataset="arc-agi-1-training")], tasks, AugmentationConfig(), 7)
    return [recipe.render(task, ENCODER) for recipe, task in map(drawer.draw, range(60))]


def _trained(texts, use_regex: bool, **more: object):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<end>", "<start>", "<turn>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{"eos_token": "<end>"} | more)


@pytest.fixture(scope="session")
def bpe(prompts):
    """A byte-level BPE whose merges know no word boundaries, so that they also cross from a prompt into its answer."""
    return _trained([prompt.text + prompt.answer for prompt in prompts[:20]], use_regex=False)


@pytest.fixture
def chatting(prompts):
    """A byte-level BPE with a chat template, which strips what it is given and whose turns have an end of their own."""
    return _trained([prompt.text + prompt.answer for prompt in prompts[:20]], use_regex=True, chat_template=TEMPLATE)


@pytest.fixture(scope="session")
def chatting_with_all(prompts):
    """The same as it is loaded, trained on more than ARC prompts."""
    words = "quite much that no prompt has: a jazz quartet played because anybody would have gladly danced anyway. "
    texts = [*(prompt.text + prompt.answer for prompt in prompts[:20]), words * 20]
    return _trained(texts, use_regex=True, chat_template=TEMPLATE, pad_token="<end>")
