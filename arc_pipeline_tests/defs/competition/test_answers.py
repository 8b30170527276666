"""A competition's files, stages and answers; whole ones, killed on the way, are in `cli/test_compete.py`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import yaml

from arc_pipeline.arc.evaluation.voting import FILLER
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.defs.competition.answers import (
    OF_A_CHECKPOINT,
    Answers,
    Stage,
    add_challenges,
    best_of,
    fillers,
    hand_over,
    stages,
    write_stage,
)
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.errors import ArcPipelineError

QUESTIONS = {"q": {"train": [{"input": [[1, 2]], "output": [[2, 1]]}], "test": [{"input": [[3, 4]]}, {"input": [[5]]}]}}


def an_experiment(**changes: object) -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields | changes)


@pytest.fixture
def asked(two: SimpleNamespace, tmp_path: Path) -> tuple[SimpleNamespace, str]:
    """(the project of two trained experiments, the dataset of a file of questions)."""
    (tmp_path / "test_challenges.json").write_text(json.dumps(QUESTIONS))
    return two, add_challenges(two.load().project, tmp_path / "test_challenges.json")


def test_questions_become_a_dataset_once(asked, tmp_path: Path) -> None:
    two, dataset = asked
    assert dataset == "test"
    assert [len(task.test) for task in two.load().project.datasets().load("test")] == [2]
    again = tmp_path / "test_challenges.json"
    assert add_challenges(two.load().project, again) == "test"
    again.write_text(json.dumps(QUESTIONS | {"r": QUESTIONS["q"]}))
    other = add_challenges(two.load().project, again)
    assert other.startswith("test-")
    assert len(two.load().project.datasets().load(other)) == 2
    assert len(two.load().project.datasets().load("test")) == 1


def test_the_weights_that_adapters_start_from_answer_first() -> None:
    assert stages(an_experiment(), "t") == [Stage("x-on-t", "x", False)]
    fields = {"train": [], "test_time": "task", "tuning": {"method": "lora"}, "initial_checkpoint": "base"}
    adapted = an_experiment(**fields)
    assert stages(adapted, "t") == [Stage("base-on-t", "base", False), Stage("x-on-t", "x", True)]


def test_each_round_has_more_candidates() -> None:
    assert list(Stage("a", "b", False).rounds(32)) == [2, 8, 32]
    assert list(Stage("a", "b", False).rounds(1)) == [1]
    assert list(Stage("a", "b", True).rounds(32)) == [32]


def test_a_stage_has_the_checkpoint_of_its_experiment_and_answers_as_its_attempts(asked) -> None:
    two, dataset = asked
    [stage] = stages(two.load().project.experiments().get("straight"), dataset)
    write_stage(two.load().project, stage, dataset, 2)
    session = two.load()
    hand_over(session, stage)
    store = session.store
    taken = {artefact.asset for artefact in store.artefacts() if artefact.partition.split("/")[0] == stage.name}
    assert taken == {*OF_A_CHECKPOINT}
    tasks = session.project.datasets().load(dataset)
    answers = Answers(session.project, stage, dataset, tasks, "t1.0", 4, print)
    nothing, counts = best_of([answers], tasks, dataset)
    assert nothing == fillers(tasks) == {"q": [{"attempt_1": [[0]], "attempt_2": [[0]]}] * 2}
    assert counts == {"tasks": 1, "test_pairs": 2, "answered": 0, "candidates": 0}

    outcomes = session.refresh([f"attempts[{stage.name}/t1.0]"])
    made = {str(node.artefact) for outcome in outcomes for node in outcome.made}
    assert f"attempts[{stage.name}/t1.0]" in made
    assert not [name for name in made if name.startswith(("checkpoint", "augmented", "metrics"))]
    best, counts = best_of([answers], tasks, dataset)
    attempts = session.project.data / "store" / "attempts" / stage.name / "t1.0" / "current"
    assert best == json.loads((attempts / dataset / "submission.json").read_text())
    assert counts["candidates"] == 4

    # more candidates, of which two are kept
    write_stage(session.project, stage, dataset, 4)
    two.load().refresh([f"attempts[{stage.name}/t1.0]"])
    assert best_of([answers], tasks, dataset)[1]["candidates"] == 8


def three_answers(
    checkpoint: Path, requests: Sequence[Any], experiment: Experiment
) -> Iterator[tuple[int, Completion]]:
    """The test input, with up to two more cells."""
    encoder = parse_encoder(experiment.grid_encoder)
    for index, request in enumerate(requests):
        row = request.task.test[request.test_index].input[0]
        grid = (row + (6,) * (request.candidate_index % 3),)
        yield index, Completion(encoder.encode(request.recipe.augmentation.apply(grid)), -1.0, 5)


def test_scored_candidates_are_submitted_by_votes_and_scores_until_more_are_scored(
    asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    two, dataset = asked

    def load() -> Session:
        loaded = two.load()
        monkeypatch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", three_answers)
        return loaded

    two.write("straight", predict={"datasets": ["mirror"], "predictions": 2, "score_views": 2})
    [stage] = stages(load().project.experiments().get("straight"), dataset)
    write_stage(load().project, stage, dataset, 4)
    session = load()
    hand_over(session, stage)
    tasks = session.project.datasets().load(dataset)
    answers = Answers(session.project, stage, dataset, tasks, "t1.0", 8, print)
    session.refresh([f"attempts[{stage.name}/t1.0]"])
    stored = session.project.data / "store" / "attempts" / stage.name / "t1.0" / "current" / dataset
    by_both = json.loads((stored / "submission_both.json").read_text())
    assert best_of([answers], tasks, dataset)[0] == by_both != fillers(tasks)

    # more candidates that are not scored yet change nothing; then they are
    write_stage(session.project, stage, dataset, 8)
    load().refresh([f"predictions[{stage.name}/t1.0]"])
    best, counts = best_of([answers], tasks, dataset)
    assert best == by_both
    assert counts["candidates"] == 16
    load().refresh([f"attempts[{stage.name}/t1.0]"])
    assert best_of([answers], tasks, dataset)[0] == json.loads((stored / "submission_both.json").read_text())

    # candidates of other weights do not count
    two.edit_record(f"checkpoint/{stage.name}", data_version="f" * 64)
    assert answers.scored() is None


def test_the_last_stage_that_has_an_answer_counts(asked) -> None:
    two, dataset = asked
    session = two.load()
    tasks = session.project.datasets().load(dataset)

    class Found:
        def __init__(self, **rows: list[list[int]]) -> None:
            self.rows = rows

        def completed(self) -> pa.Table:
            rows = [row(int(index[1:]), grid) for index, grid in self.rows.items()]
            return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)

        def scored(self) -> None:
            return None

    def row(test_index: int, grid: list[list[int]]) -> dict[str, object]:
        return {"dataset": dataset, "task_id": "q", "test_index": test_index, "candidate_index": 0, "grid": grid}

    best, counts = best_of([Found(_0=[[1]], _1=[[2]]), Found(_1=[[3]])], tasks, dataset)
    assert [entry["attempt_1"] for entry in best["q"]] == [[[1]], [[3]]]
    assert [entry["attempt_2"] for entry in best["q"]] == [[list(map(int, FILLER[0]))]] * 2
    assert counts["answered"] == 2


def test_a_stale_checkpoint_is_not_trained_again_unasked(asked) -> None:
    two, dataset = asked
    path = two.data / "experiments" / "straight.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"max_steps": 9}))
    [stage] = stages(two.load().project.experiments().get("straight"), dataset)
    write_stage(two.load().project, stage, dataset, 2)
    with pytest.raises(ArcPipelineError, match=r"checkpoint\[straight\] is stale .*--select straight"):
        hand_over(two.load(), stage)
