"""Scores on the real graph and a real instance: who has them, what is computed once, and what follows from them."""

import importlib
import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from arc_pipeline.arc.evaluation.diff import Side, compare_experiments
from arc_pipeline.arc.evaluation.selection import stored_scores
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.defs.column_docs import COLUMNS
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.tables import read_table

VIEWS = 3


@pytest.fixture
def scored(faked: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two experiments, of which `scored` has its candidates scored; `calls` has the views of each call of the model."""
    faked.calls = list[Sequence[Any]]()

    def session() -> Any:
        loaded = faked.load()
        score = importlib.import_module("arc_pipeline.model.prediction.scoring").score_views

        def counting(checkpoint: Any, views: Sequence[Any], experiment: Any) -> Iterator[Any]:
            faked.calls.append(views)
            return score(checkpoint, views, experiment)

        monkeypatch.setattr("arc_pipeline.model.prediction.scoring.score_views", counting)
        monkeypatch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", answers)
        return loaded

    faked.session = session
    write(faked)
    faked.write("plain")
    return faked


def answers(checkpoint: Any, requests: Sequence[Any], experiment: Any) -> Iterator[tuple[int, Completion]]:
    """The right output, or the test input with more columns the later the candidate is."""
    encoder = parse_encoder(experiment.grid_encoder)
    for index, request in enumerate(requests):
        row = request.task.test[0].input[0]
        wrong = (row + (int(request.temperature),) * request.candidate_index,)
        grid = wrong if request.candidate_index % 3 else (row[::-1],)
        yield index, Completion(encoder.encode(request.recipe.augmentation.apply(grid)), -1.0, 5)


def write(project: SimpleNamespace, n_views: int = VIEWS, predictions: int = 6, **changes: Any) -> None:
    predict = {"datasets": ["mirror"], "predictions": predictions} | ({"score_views": n_views} if n_views else {})
    project.write("scored", augmentation={"geometric": True, "colours": False}, predict=predict, **changes)


def table(session: Any, asset: str, partition: str, name: str = "") -> Any:
    return read_table(session.store.current(Artefact(asset, partition)), name or asset)


def planned(session: Any) -> set[str]:
    return {str(status.node.artefact) for status in session.plan([])}


def test_only_experiments_that_want_scores_have_them_and_tables_tell(scored: SimpleNamespace) -> None:
    session = scored.session()
    assert not [outcome.failed for outcome in session.refresh([]) if outcome.failed]
    assert planned(session) == set()
    made = {path.name for path in (scored.data / "store" / "scores").iterdir()}
    assert made == {"scored"}
    for decoding in ("t0.0", "t1.0"):
        scores = stored_scores(table(session, "scores", f"scored/{decoding}"))
        attempts = table(session, "attempts", f"scored/{decoding}")
        assert sum(map(len, scores.values())) == attempts.num_rows
        assert {len(logprobs) for found in scores.values() for logprobs in found.values()} <= {VIEWS}
        place = session.store.current(Artefact("attempts", f"scored/{decoding}")) / "mirror"
        assert {path.name for path in place.iterdir()} == {
            *("submission.json", "submission_score.json", "submission_both.json")
        }
        by_score = json.loads((place / "submission_score.json").read_bytes())
        assert by_score.keys() == {"aa", "bb"}
    assert "score" not in table(session, "attempts", "plain/t0.0").column_names
    rows = {row["experiment"]: row for row in table(session, "results_table", "").to_pylist()}
    assert rows["plain"]["score_2"] is None
    assert 0 <= rows["scored"]["score_2"] <= 1
    assert [line.split(" against ")[0] for line in rows["scored"]["gains"]] == ["scored: score_2", "scored: both_2"]
    assert rows["plain"]["gains"] == []
    assert {"score_2", "both_2"} <= {*table(session, "temperature_table", "").column_names}
    sides = [Side.parse(name, "t0.0") for name in ("scored", "plain")]
    with pytest.raises(
        ArcPipelineError, match=r"metrics\[plain/t0.0\] has no score_2, for its candidates were not scored"
    ):
        compare_experiments(session.store, *sides, "score_2")
    assert compare_experiments(session.store, sides[0], sides[0], "score_2")["tasks"]["difference"] == 0
    failures = table(session, "failures", "scored")
    assert failures["score_of_truth"].null_count == 0
    assert "score_of_truth" not in table(session, "failures", "plain").column_names


def test_columns_of_scores_are_explained(scored: SimpleNamespace) -> None:
    session = scored.session()
    session.refresh(["scored"])
    for asset, partition in (("scores", "t1.0|scored"), ("solution_scores", "scored"), ("attempts", "t1.0|scored")):
        records = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
        [newest] = session.instance.fetch_materializations(records, limit=1).records
        schema = newest.asset_materialization.metadata["dagster/column_schema"].value
        assert [column.name for column in schema.columns if not column.description] == []
    unexplained = {*table(session, "failures", "scored").column_names} - COLUMNS.keys()
    assert unexplained == set()


def test_every_decoding_is_scored_in_one_pass_and_a_kept_score_is_not_computed_again(scored: SimpleNamespace) -> None:
    session = scored.session()
    session.refresh(["scored"])
    # the right outputs, then the candidates of both decodings; the two tasks are equal
    assert [len(call) for call in scored.calls] == [VIEWS, VIEWS]
    answers = [(view.prompt, answer) for call in scored.calls for view in call for answer in view.answers]
    assert len(answers) == len(set(answers))

    scored.calls.clear()
    write(scored, n_views=VIEWS + 1)
    session = scored.session()
    assert "predictions[scored/t0.0]" not in planned(session)
    assert {"scores[scored/t0.0]", "attempts[scored/t0.0]", "solution_scores[scored]"} <= planned(session)
    session.refresh(["scored"])
    assert {view.number for call in scored.calls for view in call} == {VIEWS}


def test_scores_that_are_not_wanted_any_more_leave_the_tables(scored: SimpleNamespace) -> None:
    scored.session().refresh(["scored"])
    write(scored, n_views=0)
    session = scored.session()
    assert {"attempts[scored/t0.0]", "failures[scored]", "results_table"} <= planned(session)
    session.refresh(["scored"])
    assert planned(scored.session()) <= {f"{name}" for name in planned(session)}
    assert "score" not in table(session, "attempts", "scored/t0.0").column_names
    assert not [name for name in planned(session) if "scored" in name]


def test_other_weights_have_other_scores(scored: SimpleNamespace) -> None:
    scored.session().refresh(["scored"])
    before = scored.session().store.lineage(Artefact("scores", "scored/t0.0")).data_version
    write(scored, learning_rate=5e-4)
    session = scored.session()
    session.refresh(["scored"])
    assert session.store.lineage(Artefact("scores", "scored/t0.0")).data_version != before


def test_solutions_that_come_later_score_no_candidate_again(scored: SimpleNamespace) -> None:
    scored.session().refresh(["scored"])
    scored.calls.clear()
    scored.write_tasks("asked")
    questions = json.loads((scored.data / "raw" / "asked.json").read_bytes())
    hidden = {name: {**task, "test": [{"input": task["test"][0]["input"]}]} for name, task in questions.items()}
    (scored.data / "raw" / "asked.json").write_text(json.dumps(hidden))
    scored.write("scored", predict={"datasets": ["asked"], "predictions": 6, "score_views": VIEWS})
    session = scored.session()
    assert not [outcome.failed for outcome in session.refresh(["scored"]) if outcome.failed]
    assert table(session, "scores", "scored/t1.0").num_rows > 0
    assert table(session, "solution_scores", "scored").num_rows == 0
    (scored.data / "raw" / "asked.json").write_text(json.dumps(questions))
    made = {key: session.store.lineage(Artefact("scores", f"scored/{key}")).id for key in ("t0.0", "t1.0")}
    session = scored.session()
    scored.calls.clear()
    assert not [outcome.failed for outcome in session.refresh(["scored"]) if outcome.failed]
    assert {key: session.store.lineage(Artefact("scores", f"scored/{key}")).id for key in made} == made
    assert scored.calls == []  # the right outputs were among the candidates
    assert table(session, "solution_scores", "scored").num_rows == 2
    assert table(session, "metrics", "scored/t0.0").num_rows == 1
