"""Stage 3: the fine-tuned checkpoint of an experiment, trained in processes of its own."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from pydantic import Field

from arc_pipeline.arc.augmentation.checks import CHECKS
from arc_pipeline.arc.augmentation.recipes import recipes_by_task
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.solutions import solutions_note
from arc_pipeline.arc.training.validation import validation_loss_follows_training
from arc_pipeline.defs import declare
from arc_pipeline.defs.assets.augmentation import augmented_examples
from arc_pipeline.defs.assets.configs import initial_weights, training_config
from arc_pipeline.defs.assets.tasks import tasks
from arc_pipeline.defs.before_training import observe_cost, warn_of_unfinished
from arc_pipeline.defs.launcher import ProgramCrashed, accelerate_command, run_group
from arc_pipeline.defs.machines.settings import LocalMachine, SlurmMachine, read_machines
from arc_pipeline.defs.machines.slurm import train_on_slurm
from arc_pipeline.defs.making import Making
from arc_pipeline.defs.metadata import markdown_table
from arc_pipeline.defs.partitions import named_in
from arc_pipeline.defs.workspace import Workspace
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.accelerator import POOL, accelerator
from arc_pipeline.machine.process import process_environment
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.trackers import refuse_missing
from arc_pipeline.store.artefact import hash_json
from arc_pipeline.store.code_migration import former_version
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.pruning import JOB, UNFINISHED
from arc_pipeline.uncounted import uncounted

SHOWN_STEPS = 20
RETRIES_AFTER_CRASHES, RETRY_AFTER_SECONDS = 3, 5
# columns of the log whose last values are numeric metadata, where the log has them
PLOTTED = ("loss", "eval_loss", "tokens_per_second")


class Training(dg.Config):
    """Run configuration of one materialization, beside the experiment file."""

    retrain: bool = Field(False, description="Train again though neither the inputs nor the code have changed.")


@declare.asset(
    group="training",
    by="experiment",
    deps=[
        augmented_examples,
        training_config,
        initial_weights,
        tasks.mapped(named_in("validation")),
    ],
    kinds={"pytorch", "huggingface"},
    automation=None,
    checks=declare.facts(validation_loss_follows_training),
    entry=("arc_pipeline.model.training.program", "run"),
    pool=POOL,
)
def checkpoint(context: dg.AssetExecutionContext, config: Training, workspace: Workspace):
    """The fine-tuned model: weights, tokenizer and log in one directory, named by the hash of the weights. Test-time
    training is a training like any other, whose examples are drawn from the demonstrations of the evaluation tasks.

    A finished one whose inputs and code have not changed is kept. An interrupted training resumes from its last state.
    Refuses examples whose checks did not pass, also in a later run and in a backfill.
    """
    with workspace.making(context) as making:
        job = training_job(making, making.root / UNFINISHED)
        refuse_missing(job.experiment)
        refuse_failed_checks(making)
        refuse_other_examples(job)
        refuse_hidden_validation(job)
        if record := None if config.retrain else finished(making):
            return keep(context, making, record)
        name, machine = read_machines(workspace.project.data).of("checkpoint", making.experiment.name)
        if not isinstance(machine, LocalMachine):
            warn_of_unfinished(context, job)
            return train_elsewhere(context, making, job, name, machine)
        with accelerator(making.root, context.log.info) as held:
            # whoever had to wait may find the work done
            if record := None if config.retrain else finished(making):
                return keep(context, making, record)
            warn_of_unfinished(context, job)
            observe_cost(context, job, making.root)
            return run_training(context, making, job, held)


def run_training(
    context: dg.AssetExecutionContext, making: Making, job: TrainingJob, held: Sequence[int]
) -> dg.MaterializeResult[None]:
    """Runs the training program and commits what it made; its states to resume from are gone afterwards."""
    job.work.mkdir(parents=True, exist_ok=True)
    job_file = job.work / JOB
    job_file.write_text(job.model_dump_json(indent=2))
    processes = job.experiment.processes
    command = accelerate_command("arc_pipeline.model.training.program", [str(job_file)], processes)
    try:
        run_group(context, command, job.work / "output.log", held, process_environment(processes))
    except ProgramCrashed as crash:
        raise another_attempt(context, str(crash), crashes_without_progress(context.run_id, job.work)) from crash
    result = save(context, making, job)
    shutil.rmtree(job.work, ignore_errors=True)
    return result


def train_elsewhere(
    context: dg.AssetExecutionContext, making: Making, job: TrainingJob, name: str, machine: SlurmMachine
) -> dg.MaterializeResult[None]:
    """Trains on another machine and commits what it made. A job outlives this step if its process is killed, so the
    checkpoint is written to the work directory."""
    job.work.mkdir(parents=True, exist_ok=True)
    job_file, processes = job.work / JOB, job.experiment.processes
    there = job.model_copy(update={"output": job.work / "output"})
    there.output.mkdir(exist_ok=True)
    job_file.write_text(there.model_dump_json(indent=2))
    try:
        made_in = train_on_slurm(context, machine, job_file, processes, process_environment(processes))
    except ProgramCrashed as crash:
        raise another_attempt(context, str(crash), crashes_without_progress(context.run_id, job.work)) from crash
    making.made_in = {**made_in, "ran_on": {"machine": name, "engine": machine.engine, **made_in["ran_on"]}}
    shutil.copytree(there.output, job.output, dirs_exist_ok=True)
    result = save(context, making, job)
    shutil.rmtree(job.work, ignore_errors=True)
    return result


def crashes_without_progress(run_id: str, work: Path) -> int:
    """How often the training has crashed in this run, this time included, since it last saved a state or an adapter.

    What was saved is known by its names: what is saved again at the same step is no progress.
    """
    from arc_pipeline.model.training.states import MANIFEST

    saved = hash_json(sorted(str(path.relative_to(work)) for path in work.rglob(MANIFEST)))
    crash, crashes = f"{run_id} {saved}", work / "crashes.log"
    with crashes.open("a") as file:
        file.write(f"{crash}\n")
    return crashes.read_text().splitlines().count(crash)


def another_attempt(context: dg.AssetExecutionContext, crash: str, crashes: int) -> dg.RetryRequested | dg.Failure:
    """What to raise after a crash. Not a RetryPolicy: that tries again also after a person's cancel (Dagster 1.13)."""
    if crashes > RETRIES_AFTER_CRASHES:
        return dg.Failure(crash, allow_retries=False)
    context.log.warning(f"{crash}\nit resumes from its last state in {RETRY_AFTER_SECONDS} s")
    # Dagster counts those of the whole run
    return dg.RetryRequested(max_retries=context.retry_number + 1, seconds_to_wait=RETRY_AFTER_SECONDS)


def finished(making: Making) -> Lineage | None:
    """The record of the current checkpoint, if it was made by this code from these inputs."""
    name = making.experiment.name
    record = making.lineage("checkpoint", name) if making.exists("checkpoint", name) else None
    same = record and (record.code_version, record.upstream) == (making.code_version, making.upstream)
    return record if same else None


def keep(context: dg.AssetExecutionContext, making: Making, record: Lineage) -> dg.MaterializeResult[None]:
    """Reports the current checkpoint once more, with its curve."""
    from arc_pipeline.model.weights.checkpoint import TRAINING_LOG, read_log

    context.log.info(
        f"kept, for inputs and code are the same: the checkpoint {record.data_version[:8]} of {record.created_at}; "
        "nothing was trained (the run configuration retrain: true trains again)"
    )
    log = read_log(making.current("checkpoint", making.experiment.name, TRAINING_LOG)).to_pylist()
    return making.repeat(record, training_metadata(log))


def training_job(making: Making, work: Path) -> TrainingJob:
    """The job of the training. Its work directory is named by code and inputs, so that no other resumes there."""
    experiment = making.configured("training_config")
    making.configured("initial_weights")
    examples = making.read("augmented_examples", experiment.name)
    start = experiment.initial_checkpoint
    return TrainingJob(
        experiment=experiment,
        start=str(making.read("checkpoint", start)) if start else experiment.model,
        examples=examples,
        # the hash of the tokens stands for the tasks: they are no upstream of their own
        tasks={name: making.current("tasks", name) for name in experiment.datasets()["train"]},
        validation_tasks={name: making.read("tasks", name) for name in experiment.datasets()["validation"]},
        work=work_directory(making, work / experiment.name),
        output=making.directory,
        tracking=work.parent / "tracking",
    )


def work_directory(making: Making, trainings: Path) -> Path:
    """Where a training is kept until it is finished, named by its inputs and code; where one was begun under a former
    name of the same code, there."""
    versions = [making.code_version, former_version("checkpoint", making.code_version)]
    places = [trainings / hash_json([making.upstream, version])[:16] for version in versions if version]
    return next((place for place in reversed(places) if place.is_dir()), places[0])


def refuse_other_examples(job: TrainingJob) -> None:
    """Stops a training whose experiment needs another number of examples than were drawn."""
    recipes, needed = job.recipes(), job.experiment.n_examples
    trainings = recipes_by_task(recipes).values() if job.experiment.test_time == "task" else [recipes]
    if others := [table.num_rows for table in trainings if table.num_rows != needed]:
        raise ArcPipelineError(
            f"expected {needed} training examples, found {others[0]}; materialize augmented_examples again"
        )


def refuse_hidden_validation(job: TrainingJob) -> None:
    """Stops a training that would be validated on test pairs whose outputs are not known."""
    if note := solutions_note(job.validated_tasks()):
        raise ArcPipelineError(f"validation: {note}, so no loss can be measured on it; name another dataset")


def refuse_failed_checks(making: Making) -> None:
    """Stops a training on data that failed a check which the experiment does not expect to fail."""
    verdicts = making.lineage("augmented_examples", making.artefact.partition).checks
    needed = [check.name for check in CHECKS.values() if not check.only_warns]
    if missing := [name for name in needed if name not in verdicts]:
        raise ArcPipelineError(
            f"the training examples were never checked for {', '.join(missing)}; materialize augmented_examples again"
        )
    failed = {
        name: verdicts[name]["description"]
        for name in needed
        if not (verdicts[name]["passed"] or verdicts[name]["expected"])
    }
    if failed:
        raise ArcPipelineError(
            "the training examples failed their checks, so nothing is trained on them:\n  "
            + "\n  ".join(f"{name}: {words}" for name, words in failed.items())
            + f"\n{_advice(failed)}"
        )


def _advice(failed: Collection[str]) -> str:
    """What to do about failed checks; an experiment may not expect all of them to fail."""
    may_be_listed = [name for name in failed if CHECKS[name].may_be_expected]
    if not may_be_listed:
        return "fix the augmentation, and materialize augmented_examples again"
    return f"fix the augmentation, or list {', '.join(may_be_listed)} under expected_violations in the experiment file"


def save(context: dg.AssetExecutionContext, making: Making, job: TrainingJob) -> dg.MaterializeResult[None]:
    """Completes the directory with the experiment and commits it under the hash of its weights."""
    from arc_pipeline.model.weights.checkpoint import read_log, task_adapters, weights_hash
    from arc_pipeline.model.weights.plain_files import complete_checkpoint

    experiment: Experiment = job.experiment
    fields = experiment.model_dump(exclude={"name"})
    (making.directory / "experiment.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    for problem in complete_checkpoint(making.directory, experiment, job.start):
        context.log.warning(f"for users of other programs: {problem}")
    log = read_log(making.directory).to_pylist()
    verdict = validation_loss_follows_training(log)
    return making.save(
        weights_hash(making.directory),
        metadata=training_metadata(log) | {"task_adapters": len(task_adapters(making.directory))},
        verdicts={validation_loss_follows_training.__name__: verdict},
        warnings=[validation_loss_follows_training.__name__],
        config=fields,
    )


@uncounted("metadata for people")
def training_metadata(log: list[dict[str, Any]]) -> dict[str, Any]:
    """Metadata: the end of the training, as numbers that Dagster plots over time, and its loss curve."""
    from arc_pipeline.report.charts.training_plot import loss_plot
    from arc_pipeline.report.data_uris import markdown_images

    every = max(1, len(log) // SHOWN_STEPS)
    shown = ("loss", "learning_rate", "grad_norm")
    rows = [{"step": row["step"], **{key: f"{row[key]:.4g}" for key in shown}} for row in log]
    last = {name: row[name] for row in log for name in row if row[name] is not None}
    return {
        "steps": last["step"],
        "training_seconds": last["seconds"],
        **{name: last[name] for name in PLOTTED if name in last},
        "loss_curve": dg.MetadataValue.md(markdown_images([loss_plot(log)], "loss and learning rate")),
        "loss_table": markdown_table(rows[::every]),
    }
