"""The training program: `accelerate launch -m arc_pipeline.model.training.program JOB.json`.

One training, then it ends. Reads everything it needs from the job's files; reports its progress through Dagster
Pipes when Dagster started it.
"""

from arc_pipeline.machine.process import end_with_parent

end_with_parent()  # before the slow imports: a worker that dies meanwhile must not leave a training behind

import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes  # noqa: E402

from arc_pipeline.errors import ArcPipelineError  # noqa: E402
from arc_pipeline.machine.process import is_main_process  # noqa: E402
from arc_pipeline.model.training.job import REFUSAL, TrainingJob  # noqa: E402
from arc_pipeline.model.training.throughput import progress_line  # noqa: E402
from arc_pipeline.store.store import refuse_damaged  # noqa: E402

if TYPE_CHECKING:
    import pyarrow as pa

    from arc_pipeline.model.training.dataset import ExampleDataset, Tasks

CHECKED_EXAMPLES = 8


@contextmanager
def reporting() -> Iterator[Any]:
    """A function that reports one row of the log, to Dagster or to standard error; silent on other ranks."""
    import os

    if not is_main_process():
        yield lambda row: None
    elif DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
        with open_dagster_pipes() as pipes:
            try:
                yield lambda row: pipes.log.info(progress_line(row))
            except ArcPipelineError as error:
                pipes.report_custom_message({REFUSAL: str(error)})
                raise
    else:
        yield lambda row: print(progress_line(row), file=sys.stderr)


def train_job_file(job_file: str) -> None:
    """Trains what the job file describes and leaves a checkpoint in its output directory."""
    from arc_pipeline.model.devices import use_flash_attention

    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    use_flash_attention()
    try:
        with reporting() as report:
            refuse_damaged_inputs(job)
            run(job, report)
    except ArcPipelineError as error:
        sys.exit(f"error: {error}")


def refuse_damaged_inputs(job: TrainingJob) -> None:
    """Verifies every byte that is read: who started the program may have done so hours ago, waiting for a GPU."""
    start = [Path(job.start)] if Path(job.start).is_dir() else []
    for content in [job.examples, *job.tasks.values(), *job.validation_tasks.values(), *start]:
        refuse_damaged(content)


def run(job: TrainingJob, report: Any) -> None:
    """Load, train, save."""
    import transformers

    from arc_pipeline.model.training.dataset import ExampleDataset
    from arc_pipeline.model.weights.loading import load_start
    from arc_pipeline.model.weights.tokenization import save_tokenizer, saved_tokenizer

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    experiment, recipes, tasks = job.experiment, job.recipes(), job.training_tasks()
    model, tokenizer = load_start(job.start, experiment)
    examples = ExampleDataset(recipes, tasks, experiment, tokenizer)
    if is_main_process():
        with tempfile.TemporaryDirectory() as directory:
            save_tokenizer(tokenizer, Path(directory))
            saved = ExampleDataset(recipes, tasks, experiment, saved_tokenizer(Path(directory)))
        refuse_other_ids(examples, saved, experiment.model)
    if experiment.test_time == "task":
        run_task_adapters(job, recipes, tasks, model, tokenizer, report)
    else:
        run_single(job, examples, model, tokenizer, report)


def run_task_adapters(
    job: TrainingJob, recipes: "pa.Table", tasks: "Tasks", model: Any, tokenizer: Any, report: Any
) -> None:
    """An adapter for each task, beside the weights from which they start."""
    from arc_pipeline.model.training.states import whole_or_nothing
    from arc_pipeline.model.training.task_adapters import deliver_adapters, train_adapters
    from arc_pipeline.model.weights.checkpoint import save_checkpoint, write_log

    log = train_adapters(model, tokenizer, recipes, tasks, job, report)
    with whole_or_nothing(job.output):
        save_checkpoint(model, tokenizer, job.output)
        write_log(log, job.output)
        deliver_adapters(job.work, job.output)


def run_single(job: TrainingJob, examples: "ExampleDataset", model: Any, tokenizer: Any, report: Any) -> None:
    """One training on all examples."""
    from arc_pipeline.model.training.callbacks import KeepWeights, deliver_kept_weights
    from arc_pipeline.model.training.dataset import validation_examples
    from arc_pipeline.model.training.states import whole_or_nothing
    from arc_pipeline.model.training.trackers import trackers
    from arc_pipeline.model.training.trainer import train
    from arc_pipeline.model.weights.checkpoint import parameter_count, save_checkpoint, write_log
    from arc_pipeline.model.weights.loading import with_adapter

    experiment = job.experiment
    if experiment.tuning.method == "lora":
        model = with_adapter(model, experiment.tuning, experiment.seed)
    total, trained = parameter_count(model)
    report({"parameters": total, "trained": trained})
    validation = validation_examples(experiment, job.validated_tasks(), tokenizer)
    callbacks = [
        KeepWeights(experiment.predict.at_steps, job.work, tokenizer),
        *trackers(experiment, job.tracking or job.work, job.work.name),
    ]
    log = train(model, tokenizer, examples, experiment, job.work, report, validation, callbacks)
    if is_main_process():
        with whole_or_nothing(job.output):
            save_checkpoint(model, tokenizer, job.output)
            write_log(log, job.output)
            deliver_kept_weights(job.work, job.output)


def refuse_other_ids(examples: Sequence[Any], saved: Sequence[Any], model: str) -> None:
    """Raises if examples have other ids than were drawn, or other ids after the tokenizer was saved and read again.

    Predictions are made with the saved one; after the training, its hours would be lost.
    """
    for index in range(0, len(examples), max(1, len(examples) // CHECKED_EXAMPLES)):
        examples[index]  # refuses ids that have another hash
        try:
            saved[index]
        except ArcPipelineError as error:
            raise ArcPipelineError(
                f"model {model!r}: its tokenizer gives other tokens for example {index} after it was saved and read, "
                "so predictions would have other prompts than the training; use one whose tokenizer.json is complete"
            ) from error


if __name__ == "__main__":
    train_job_file(sys.argv[1])
