"""The commands of a competition: compete answers before a deadline, bundle takes it to where there is no network."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arc_pipeline.cli.console import print_table, say, wide_console, writing
from arc_pipeline.cli.options import MAKE, ExperimentName, examples
from arc_pipeline.cli.session import (
    complete_experiment,
    known_decoding,
    known_experiment,
    open_project,
    open_session,
    saying_how_to_make,
)
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.process import end_with_parent
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import write_whole

if TYPE_CHECKING:
    from arc_pipeline.arc.tasks.task import Task
    from arc_pipeline.defs.competition.answers import Answers, Stage, Submission
    from arc_pipeline.project import Project

competing = typer.Typer()
LOOK_EVERY_SECONDS, TIME_TO_END_SECONDS, TRIES = 15.0, 30.0, 2
REFRESH = "from arc_pipeline.cli.app import main; main()"


@competing.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline compete arc-agi_test_challenges.json --checkpoint demo-fixed --hours 1",
        "arc-pipeline compete test.json --checkpoint mine --hours 11.5 --predictions 128 --output submission.json",
    ),
)
def compete(
    challenges: Annotated[Path, typer.Argument(help="A file of tasks whose test outputs are to be found.")],
    checkpoint: Annotated[
        str, typer.Option(help="The experiment whose model answers.", autocompletion=complete_experiment)
    ],
    hours: Annotated[float, typer.Option(help="How long it may take.", min=0)],
    output: Annotated[Path, typer.Option(help="The submission, valid at any moment.")] = Path("submission.json"),
    predictions: Annotated[
        int | None, typer.Option(help="Candidates for each test pair.", min=1, show_default="the experiment's")
    ] = None,
    decoding: Annotated[str, typer.Option(help="How candidates are decoded: t0.0, t0.1, t0.2, t0.5 or t1.0.")] = "t0.5",
) -> None:
    """Answer a file of questions before a deadline, with a valid submission at any moment.

    The submission begins with fillers and is replaced, as a whole, whenever there are better answers: each test pair
    gets a few candidates first, then more. Killed at any moment, it leaves the best so far; the same command goes on
    where it ended. An experiment with `test_time` trains on the demonstrations first, and until then the model that it
    starts from answers. All runs through assets and store, as an experiment of its own.
    """
    deadline = time.monotonic() + 3600 * hours
    from arc_pipeline.api import read_dataset
    from arc_pipeline.defs.competition.answers import (
        FIRST_ROUND,
        Answers,
        add_challenges,
        fillers,
        hand_over,
        stages,
        write_stage,
    )

    refuse_missing(challenges)
    known_experiment(checkpoint)
    known_decoding(decoding)
    tasks = read_dataset(challenges)
    save(fillers(tasks), output)
    say(f"{output}: fillers for {len(tasks)} tasks")
    project = open_project()
    settings = project.experiments().get(checkpoint)
    dataset, most = add_challenges(project, challenges), predictions or settings.predict.predictions
    # the last stage gives the answers that count, those before it only until then
    *before, own = stages(settings, dataset)
    planned = [*((stage, min(most, FIRST_ROUND)) for stage in before), (own, most)]
    for stage, wanted in planned:
        write_stage(project, stage, dataset, wanted)
    session = open_session()
    for stage, _ in planned:
        hand_over(session, stage)
    answers: list[Answers] = []
    failed = 0
    for stage, wanted in planned:
        answers.append(Answers(project, stage, dataset, tasks, decoding, wanted, say))
        for count in stage.rounds(wanted):
            if time.monotonic() >= deadline:
                break
            write_stage(project, stage, dataset, count)
            say(f"{stage.name}: {count} candidates for each test pair, {left(deadline)} left")
            failed += not made(f"attempts[{stage.name}/{decoding}]", answers, tasks, dataset, output, deadline)
    counts = update(answers, tasks, dataset, output)
    print_table([{**counts, "minutes": f"{hours * 60 - (deadline - time.monotonic()) / 60:.1f}"}], wide_console())
    say(f"wrote {output}; when the competition is over, remove {experiment_file(own, project)}")
    if failed:
        raise ArcPipelineError(f"{failed} rounds failed, see above; {output} has the best answers so far")


@competing.command(
    rich_help_panel=MAKE,
    epilog=examples(
        "arc-pipeline bundle demo-fixed demo-bundle --installed kaggle-freeze.txt",
        "arc-pipeline bundle mine everything",
    ),
)
def bundle(
    experiment: ExperimentName,
    directory: Annotated[Path, typer.Argument(help="A new directory.")],
    installed: Annotated[
        Path | None, typer.Option(help="What is installed there, as `pip freeze` lists it; all of it stays away.")
    ] = None,
) -> None:
    """Write all that answering needs where there is no network: the model with its lineage, wheels, and a notebook.

    The notebook verifies the bundle, installs the wheels offline, and runs `arc-pipeline compete`. The wheels are for
    this machine's Python and platform. It is an error if they do not go with what is installed there.
    """
    from arc_pipeline.defs.competition.bundle import bundle as write_bundle

    known_experiment(experiment)
    if installed is not None:
        refuse_missing(installed)
    project = open_project()
    with saying_how_to_make(experiment):
        project.store.current(Artefact("checkpoint", experiment))
    with writing("DIRECTORY", directory):
        wheels = write_bundle(project, experiment, directory, installed)
    say(f"wrote {directory}: {experiment} with its lineage, {len(wheels)} wheels, competition.ipynb, SHA256SUMS")


def experiment_file(stage: "Stage", project: "Project") -> str:
    """Where it is, for a person."""
    from arc_pipeline.defs.competition.answers import FOLDER

    return f"{project.data.name}/experiments/{FOLDER}/{stage.name}.yaml"


def refuse_missing(file: Path) -> None:
    """ArcPipelineError if a file that was named is not there."""
    if not file.is_file():
        raise ArcPipelineError(f"{file} is not a file here; name one by its path")


def made(
    select: str, answers: "list[Answers]", tasks: "list[Task]", dataset: str, output: Path, deadline: float
) -> bool:
    """Has a process make an artefact, and follows what it completes until it ends or the time is up."""
    for _ in range(TRIES):
        process = subprocess.Popen(
            [sys.executable, "-c", REFRESH, "refresh", "--yes", "--select", select],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
            process_group=0,
        )
        try:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    process.wait(min(LOOK_EVERY_SECONDS, max(0.1, deadline - time.monotonic())))
                except subprocess.TimeoutExpired:
                    update(answers, tasks, dataset, output)
        finally:
            stop(process)
        update(answers, tasks, dataset, output)
        if process.returncode == 0 or time.monotonic() >= deadline:
            return True
    return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process that still runs as Ctrl-C does, so that what it has completed is kept."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(TIME_TO_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def update(answers: "list[Answers]", tasks: "list[Task]", dataset: str, output: Path) -> dict[str, int]:
    """Replaces the submission by the best that there is now."""
    from arc_pipeline.defs.competition.answers import best_of

    best, counts = best_of(answers, tasks, dataset)
    save(best, output)
    return counts


def save(submission: "Submission", output: Path) -> None:
    """Writes it as a whole or not at all."""
    with writing("--output", output):
        write_whole(json.dumps(submission).encode(), output)


def left(deadline: float) -> str:
    """The time until then."""
    from arc_pipeline.machine.durations import readable_duration

    return readable_duration(max(0.0, deadline - time.monotonic()))
