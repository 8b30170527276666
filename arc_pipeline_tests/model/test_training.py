"""The training program in its own process, on examples that were drawn and checked."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from arc_pipeline.arc.artefact import write_table
from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.examples import RECIPE_SCHEMA, RecipeDrawer, draw_examples
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Pair, Task
from arc_pipeline.arc.task_table import tasks_table
from arc_pipeline.model.checkpoint import read_log, weights_hash
from arc_pipeline.model.examples import ExampleDataset
from arc_pipeline.model.job import TrainingJob
from arc_pipeline.model.tokenization import encode_example, tiny_tokenizer, token_hash
from arc_pipeline.model.train import refuse_other_ids

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
TASK = Task("mirror", PAIRS[:2], PAIRS[2:])


def a_job(directory: Path, **changes: object) -> Path:
    """The file of a job that trains four steps."""
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 4, "batch_size": 4, "seed": 3}
    fields |= {"predict": {"datasets": ["d"]}, "logging_steps": 2}
    experiment = Experiment.model_validate(fields | changes)
    tokenizer, encoder = tiny_tokenizer(), parse_encoder(experiment.grid_encoder)

    def measure(recipe, task):
        ids = encode_example(tokenizer, recipe.render(task, encoder)).input_ids
        return len(ids), token_hash(ids)

    drawer = RecipeDrawer(experiment.train, {"d": [TASK]}, experiment.augmentation, experiment.seed)
    rows = [row for _, row in draw_examples(drawer, experiment.n_examples, 4096, measure)]
    for name in ("output", "work"):
        (directory / name).mkdir(parents=True)
    write_table(pa.Table.from_pylist(rows, schema=RECIPE_SCHEMA), directory, "augmented_examples")
    write_table(tasks_table([TASK]), directory, "tasks")
    job = TrainingJob(
        experiment=experiment,
        start="tiny",
        examples=directory,
        tasks={"d": directory},
        work=directory / "work",
        output=directory / "output",
    )
    (directory / "job.json").write_text(job.model_dump_json())
    return directory / "job.json"


def train(job: Path) -> subprocess.CompletedProcess[str]:
    """Runs the program as `accelerate launch` does."""
    command = [sys.executable, "-m", "arc_pipeline.model.train", str(job)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_leaves_a_checkpoint_that_stands_alone(tmp_path: Path, method: str) -> None:
    done = train(a_job(tmp_path, tuning={"method": method, "rank": 4}))
    assert done.returncode == 0, done.stderr
    output = tmp_path / "output"
    assert [row["step"] for row in read_log(output).to_pylist()] == [2, 4]
    assert (output / "model.safetensors").is_file()
    assert (output / "tokenizer.json").is_file()
    assert (output / "adapter").is_dir() == (method == "lora")
    assert len(weights_hash(output)) == 64


def test_examples_that_render_to_other_tokens_are_refused(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    changed = json.loads(job.read_text())
    changed["experiment"]["grid_encoder"] = "MinimalGridEncoder()"
    job.write_text(json.dumps(changed))
    done = train(job)
    assert done.returncode != 0
    assert "task mirror" in done.stderr
    assert "materialize augmented_examples again" in done.stderr


def test_a_saved_tokenizer_that_gives_other_ids_is_refused(tmp_path: Path) -> None:
    job = TrainingJob.model_validate_json(a_job(tmp_path).read_bytes())
    other = tiny_tokenizer()
    refuse_other_ids(ExampleDataset(job.recipes(), job.training_tasks(), job.experiment, other), job.output)
    other.add_tokens(["Input"])
    examples = ExampleDataset(job.recipes(), job.training_tasks(), job.experiment, other)
    with pytest.raises(ArcPipelineError, match=f"{job.output}: the saved tokenizer gives other tokens"):
        refuse_other_ids(examples, job.output)
