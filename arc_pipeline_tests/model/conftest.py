"""Jobs of the training program, small enough for every test to run one."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from arc_pipeline.arc.artefact import write_table
from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.examples import RECIPE_SCHEMA, RecipeDrawer, draw_examples
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Pair, Task
from arc_pipeline.arc.task_table import tasks_table
from arc_pipeline.model.job import TrainingJob
from arc_pipeline.model.tokenization import encode_example, tiny_tokenizer, token_hash

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
