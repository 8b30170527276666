"""What a notebook needs, without Dagster: `from arc_pipeline import load_model, read_dataset, vote, score`.

tasks = read_dataset("arc-agi-1-evaluation")
model = load_model("demo-fixed")
candidates = model.predict(tasks[0], predictions=8, temperature=0.5)   # a list for each test pair
first, second = vote(candidates[0])[:2]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from arc_pipeline.arc.evaluation.score import score_submission
from arc_pipeline.arc.evaluation.voting import Candidate, RankedCandidate, rank
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import decode
from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.requests import CandidateRequest, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.documents import TypedLoader, parse_yaml, read_bytes
from arc_pipeline.arc.tasks.files import DataFile
from arc_pipeline.arc.tasks.reading import Reading
from arc_pipeline.arc.tasks.sources import add_file
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import DEFAULT_FILES, Project
from arc_pipeline.store.artefact import Artefact

EXPERIMENT = "experiment.yaml"
GIVEN = "given"


def open_project(directory: str | Path | None = None) -> Project:
    """The project in a directory, or with that data directory; without one, that of the working directory.

    Raises ArcPipelineError if there is none.
    """
    if directory is None:
        project = Project.current()
    else:
        place = Path(directory).expanduser().resolve()
        project = Project(place / "data" if (place / "data" / DEFAULT_FILES[0]).is_file() else place)
    if not project.exists:
        raise ArcPipelineError(f"there is no project in {project.data}; make one: arc-pipeline init DIRECTORY")
    return project


def read_dataset(dataset: str | Path, project: Project | None = None) -> list[Task]:
    """The tasks of a dataset by its name, or those in a file of tasks, in any format that data/raw/ takes.

    Raises FaultyInput with every fault.
    """
    path = Path(dataset)
    if not path.is_file():
        return (project or open_project()).datasets().load(str(dataset))
    reading, file = Reading(), DataFile(str(path), path, PurePosixPath(path.name))
    with reading.collecting_faults():
        add_file(reading, file.shown, file)
    return reading.finish()


def render_prompt(task: Task, experiment: Experiment, test_index: int = 0) -> str:
    """The first prompt that an experiment has for a test pair, without a chat template."""
    return next(each.prompt for each in _requests(experiment, task, 1, 0.0) if each.test_index == test_index)


def load_model(model: str | Path, project: Project | None = None) -> "Model":
    """The model that an experiment trained, by its name; or that of a directory that `arc-pipeline export` wrote.

    Raises ArcPipelineError if it was not made yet, or if its bytes in the store are not those that were written; nobody
    knows what those of an exported directory were.
    """
    directory, name = Path(model), Path(model).name
    if not (directory / EXPERIMENT).is_file():
        name = str(model)
        project = project or open_project()
        project.experiments().get(name)
        directory = project.store.current(Artefact("checkpoint", name))
    fields = parse_yaml(EXPERIMENT, read_bytes(EXPERIMENT, directory / EXPERIMENT), TypedLoader)
    if not isinstance(fields, dict):
        raise ArcPipelineError(f"{directory / EXPERIMENT} is no experiment")
    return Model(directory, Experiment.model_validate(fields | {"name": name}))


@dataclass(frozen=True)
class Model:
    """A trained model in a directory, and the experiment that says how it is prompted. Loaded when it first answers."""

    directory: Path
    experiment: Experiment

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from arc_pipeline.model.weights.loading import load_checkpoint

        return load_checkpoint(self.directory, precision=self.experiment.precision)

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer, of transformers."""
        return self._loaded[1]

    def predict(self, task: Task, predictions: int = 32, temperature: float = 0.0) -> list[list[Candidate]]:
        """The candidates for each test pair of a task, each from a prompt with an augmentation of its own, undone.

        The same as the pipeline's for this experiment, number and temperature, but for adapters of single tasks, which
        are not used. A candidate whose answer is no grid has None as its grid.
        """
        from arc_pipeline.model.prediction.candidates import options_of
        from arc_pipeline.model.prediction.complete import complete
        from arc_pipeline.model.prediction.constraints import completion_limit

        settings, encoder = self.experiment.predict, parse_encoder(self.experiment.grid_encoder)
        model, tokenizer = self._loaded
        requests = _requests(self.experiment, task, predictions, temperature)
        limit = completion_limit(tokenizer, encoder, settings.constrain)
        drafts = CandidateDrafts(requests, encoder)
        found: list[list[Candidate]] = [[] for _ in task.test]
        for place, completion in complete(model, tokenizer, requests, limit, options_of(settings), drafts):
            request = requests[place]
            grid, _ = decode(completion, request.recipe.augmentation, encoder)
            candidate = Candidate(request.candidate_index, grid, completion.logprob, completion.n_tokens)
            found[request.test_index].append(candidate)
        return [sorted(of_pair, key=lambda candidate: candidate.candidate_index) for of_pair in found]


def _requests(experiment: Experiment, task: Task, predictions: int, temperature: float) -> list[CandidateRequest]:
    settings = experiment.predict.model_copy(update={"datasets": [GIVEN], "predictions": predictions})
    asked = experiment.model_copy(update={"predict": settings})
    return list(candidate_requests(asked, {GIVEN: [task]}, temperature))


def vote(candidates: Iterable[Candidate]) -> list[RankedCandidate]:
    """The distinct grids among the candidates of one test pair, the most voted first."""
    return rank(candidates)


def score(submission: object, tasks: Sequence[Task], called: str = "submission") -> dict[str, Any]:
    """The scores of a submission in Kaggle's format, by both rules, see `score_submission`; errors name it as it is
    `called`."""
    return score_submission(submission, tasks, called)
