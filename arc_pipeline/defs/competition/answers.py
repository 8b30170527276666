"""A competition: a file of questions, a trained model, and the best answers so far in a submission at any moment.

The work is done by the assets. An experiment of its own, `NAME-on-DATASET`, asks the questions of the checkpoint of
NAME, or trains at test time as NAME does; its predictions grow from round to round, and completions are kept, so that
nothing is computed twice. What is here writes its files, follows what its runs have completed, and ranks it.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import yaml

from arc_pipeline.arc.evaluation.voting import (
    ATTEMPTS_SCHEMA,
    PairKey,
    attempts_table,
    pair_keys,
    rankings_of,
    submission,
)
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA, candidates_table
from arc_pipeline.arc.prediction.requests import DECODINGS, CandidateRequest, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.sources import CHALLENGES
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.defs.assets.completing import Weights, kept_completions
from arc_pipeline.defs.staleness.scanner import FRESH, UNRECORDED, Node
from arc_pipeline.defs.upkeep.renaming import Renaming, take_over
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import read_table, write_whole
from arc_pipeline.store.trace import records

Submission: TypeAlias = dict[str, list[dict[str, list[list[int]]]]]

FOLDER = "competition"
# a checkpoint and what of its experiment it is made from: answers to other questions are no part of a competition
OF_A_CHECKPOINT = ("augmentation_config", "initial_weights", "training_config", "augmented_examples", "checkpoint")
FIRST_ROUND, GROWTH = 2, 4
# the ranking of scored candidates that is submitted
BOTH = "both"


def add_challenges(project: Project, file: Path) -> str:
    """Puts a file of questions into data/raw/, and gives the name of the dataset that it is there. What is there under
    that name with other content stays: then the name has a part of the hash."""
    content = file.read_bytes()
    stem, _, suffix = file.name.partition(".")
    is_kaggle = stem.endswith(CHALLENGES) and suffix == "json"
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem.removesuffix(CHALLENGES)) or "questions"
    for called in (name, f"{name}-{hashlib.sha256(content).hexdigest()[:8]}"):
        target = project.data / "raw" / f"{called}{CHALLENGES if is_kaggle else ''}.{suffix}"
        if not target.exists() and called not in project.datasets().names():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(content, target)
        if target.is_file() and target.read_bytes() == content:
            return called
    raise ArcPipelineError(f"{target} is there already with other content; rename {file.name}")


@dataclass(frozen=True)
class Stage:
    """Answers by one experiment, `of` which it is; `trains` says whether it trains at test time first."""

    name: str
    of: str
    trains: bool

    def rounds(self, most: int) -> Iterator[int]:
        """How many predictions each test pair has after each round."""
        count = FIRST_ROUND
        while count < most and not self.trains:
            yield count
            count *= GROWTH
        yield most


def stages(experiment: Experiment, dataset: str) -> list[Stage]:
    """Where adapters are trained first, the weights that they start from answer before: they take no training."""
    own = Stage(f"{experiment.name}-on-{dataset}", experiment.name, bool(experiment.test_time))
    start = experiment.initial_checkpoint
    before = [Stage(f"{start}-on-{dataset}", start, False)] if experiment.test_time and start else []
    return [*before, own]


def write_stage(project: Project, stage: Stage, dataset: str, predictions: int) -> None:
    """The file of a stage's experiment: that which it is of, asked other questions."""
    given = project.experiments().get(stage.of).model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    given |= {"predict": given.get("predict", {}) | {"datasets": [dataset], "predictions": predictions}}
    given["predict"].pop("at_steps", None)
    given["on_request"] = True
    if stage.trains:
        given.pop("train", None)
    place = project.experiment_files / FOLDER / f"{stage.name}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    words = f"# {stage.of}, asked {dataset}: written by arc-pipeline compete; remove it when the competition is over\n"
    write_whole((words + yaml.safe_dump(given, sort_keys=False)).encode(), place)


def hand_over(session: Session, stage: Stage) -> None:
    """Gives a stage the checkpoint of the experiment that it is of; ArcPipelineError if that would be trained again."""
    if stage.trains:
        return
    _refuse_stale(session, stage.of, stage)
    take_over(session, Renaming("experiment", stage.of, stage.name), OF_A_CHECKPOINT)
    if session.scanner().status(Node("checkpoint", stage.name)).status != FRESH:
        # taken over at another time: its examples are drawn again, and if they are the same the checkpoint holds
        session.refresh([f"augmented_examples[{stage.name}]"])
    _refuse_stale(session, stage.name, stage)


def _refuse_stale(session: Session, name: str, stage: Stage) -> None:
    status = session.scanner().status(Node("checkpoint", name))
    if status.status not in {FRESH, UNRECORDED}:  # a store that came from elsewhere is in no database here
        raise ArcPipelineError(
            f"checkpoint[{name}] is {status.status} ({'; '.join(status.causes)}); make it again "
            f"(arc-pipeline refresh --select {stage.of}), or say that it holds: arc-pipeline accept"
        )


@dataclass
class Answers:
    """The candidates that a stage has completed so far, of at most so many for each test pair."""

    project: Project
    stage: Stage
    dataset: str
    tasks: Sequence[Task]
    decoding: str
    most: int
    warn: Callable[[str], None]
    _asked: tuple[Weights, list[CandidateRequest], list[str]] | None = None

    def completed(self) -> pa.Table:
        """Rows of predictions; none before there is a checkpoint."""
        asked = self._requests()
        if asked is None:
            return PREDICTION_SCHEMA.empty_table()
        weights, requests, keys = asked
        kept = kept_completions(self.project.store.root, weights, self.warn).read(set(keys))
        found = [(request, kept[key].completion) for request, key in zip(requests, keys, strict=True) if key in kept]
        return candidates_table(found, parse_encoder(weights.experiment.grid_encoder))

    def scored(self) -> pa.Table | None:
        """The attempts of the last round that was made to its end, if its candidates are scored."""
        store, artefact = self.project.store, Artefact("attempts", f"{self.stage.name}/{self.decoding}")
        now = store.lineage(Artefact("checkpoint", self.stage.name))
        if now is None or store.lineage(artefact) is None:
            return None
        made_from = records(store, artefact).get(str(Artefact("checkpoint", self.stage.name)))
        attempts = read_table(store.current(artefact), "attempts")
        is_current = made_from is not None and made_from.data_version == now.data_version
        return attempts if is_current and BOTH in rankings_of(attempts) else None

    def _requests(self) -> tuple[Weights, list[CandidateRequest], list[str]] | None:
        store, artefact = self.project.store, Artefact("checkpoint", self.stage.name)
        if self._asked is None and (record := store.lineage(artefact)):
            given = self.project.experiments().get(self.stage.name)
            settings = given.predict.model_copy(update={"predictions": self.most})
            experiment = given.model_copy(update={"predict": settings})
            weights = Weights(experiment, store.current(artefact), record.data_version)
            asked = {self.dataset: list(self.tasks)}
            requests = list(candidate_requests(experiment, asked, DECODINGS[self.decoding]))
            self._asked = weights, requests, weights.keys(requests)
        return self._asked


def best_of(stages: Sequence[Answers], tasks: Sequence[Task], dataset: str) -> tuple[Submission, dict[str, int]]:
    """(the submission, counts): each test pair is answered by the last stage that has a candidate for it.

    Ranked by votes and scores together where these were measured, of the candidates of the last round that they were
    measured in, else by the votes of all candidates.
    """
    candidates, by_score = PREDICTION_SCHEMA.empty_table(), set[PairKey]()
    chosen = submission(ATTEMPTS_SCHEMA.empty_table(), tasks, dataset)
    for answers in stages:
        found = answers.completed()
        better = set(pair_keys(found))
        kept = pa.array([key not in better for key in pair_keys(candidates)], pa.bool_())
        candidates = pa.concat_tables([candidates.filter(kept), found])
        scored = answers.scored()
        by_score = by_score - better if scored is None else set(pair_keys(scored))
        if scored is not None:
            _put(chosen, submission(scored, tasks, dataset, BOTH), by_score)
    ranked = attempts_table(candidates)
    _put(chosen, submission(ranked, tasks, dataset), set(pair_keys(ranked)) - by_score)
    counts = {
        "tasks": len(tasks),
        "test_pairs": sum(len(task.test) for task in tasks),
        "answered": len(set(pair_keys(ranked))),
        "candidates": candidates.num_rows,
    }
    return chosen, counts


def _put(chosen: Submission, other: Submission, pairs: Collection[PairKey]) -> None:
    """Takes over the entries of some test pairs."""
    for _, task_id, index in pairs:
        chosen[task_id][index] = other[task_id][index]


def fillers(tasks: Sequence[Task]) -> Submission:
    """A valid submission before there is any answer."""
    return submission(ATTEMPTS_SCHEMA.empty_table(), tasks, "")
