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
def scored(two: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two experiments, of which `turned` wants its candidates scored; `calls` has the views of each of the model's."""
    two.calls = list[Sequence[Any]]()

    def session() -> Any:
        loaded = two.load()
        score = importlib.import_module("arc_pipeline.model.prediction.scoring").score_views

        def counting(checkpoint: Any, views: Sequence[Any], experiment: Any) -> Iterator[Any]:
            two.calls.append(views)
            return score(checkpoint, views, experiment)

        monkeypatch.setattr("arc_pipeline.model.prediction.scoring.score_views", counting)
        monkeypatch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", answers)
        return loaded

    two.session = session
    write(two)
    return two


def answers(checkpoint: Any, requests: Sequence[Any], experiment: Any) -> Iterator[tuple[int, Completion]]:
    """The right output, or the test input with more columns the later the candidate is."""
    encoder = parse_encoder(experiment.grid_encoder)
    for index, request in enumerate(requests):
        row = request.task.test[0].input[0]
        wrong = (row + (int(request.temperature),) * request.candidate_index,)
        grid = wrong if request.candidate_index % 3 else (row[::-1],)
        yield index, Completion(encoder.encode(request.recipe.augmentation.apply(grid)), -1.0, 5)


def write(project: SimpleNamespace, n_views: int = VIEWS, dataset: str = "mirror", **changes: Any) -> None:
    predict = {"datasets": [dataset], "predictions": 6} | ({"score_views": n_views} if n_views else {})
    project.write("turned", augmentation={"geometric": True, "colours": False}, predict=predict, **changes)


def table(session: Any, asset: str, partition: str = "") -> Any:
    return read_table(session.store.current(Artefact(asset, partition)), asset)


def planned(session: Any) -> set[str]:
    return {str(status.node.artefact) for status in session.plan([])}


def version(session: Any, decoding: str) -> Any:
    return session.store.lineage(Artefact("scores", f"turned/{decoding}"))


def refreshed(project: SimpleNamespace, *selection: str) -> Any:
    """A session after a refresh in which nothing failed."""
    session = project.session()
    assert not [outcome.failed for outcome in session.refresh(selection) if outcome.failed]
    return session


def test_only_experiments_that_want_scores_have_them_and_tables_tell(scored: SimpleNamespace) -> None:
    session = refreshed(scored)
    assert planned(session) == set()
    assert [path.name for path in (scored.data / "store" / "scores").iterdir()] == ["turned"]
    for decoding in ("t0.0", "t1.0"):
        scores = stored_scores(table(session, "scores", f"turned/{decoding}"))
        assert sum(map(len, scores.values())) == table(session, "attempts", f"turned/{decoding}").num_rows
        assert {len(logprobs) for found in scores.values() for logprobs in found.values()} == {VIEWS}
        place = session.store.current(Artefact("attempts", f"turned/{decoding}")) / "mirror"
        assert {path.stem for path in place.iterdir()} == {"submission", "submission_score", "submission_both"}
        assert json.loads((place / "submission_score.json").read_bytes()).keys() == {"aa", "bb"}
    rows = {row["experiment"]: row for row in table(session, "results_table").to_pylist()}
    assert rows["straight"]["score_2"] is None
    assert 0 <= rows["turned"]["score_2"] <= 1
    assert [line.split(" against ")[0] for line in rows["turned"]["gains"]] == ["turned: score_2", "turned: both_2"]
    assert rows["straight"]["gains"] == []
    assert {"score_2", "both_2"} <= {*table(session, "temperature_table").column_names}
    sides = [Side.parse(name, "t0.0") for name in ("turned", "straight")]
    with pytest.raises(ArcPipelineError, match=r"metrics\[straight/t0.0\] has no score_2, for its candidates were not"):
        compare_experiments(session.store, *sides, "score_2")
    assert compare_experiments(session.store, sides[0], sides[0], "score_2")["tasks"]["difference"] == 0
    assert table(session, "failures", "turned")["score_of_truth"].null_count == 0
    for asset, partition in (("attempts", "straight/t0.0"), ("failures", "straight"), ("prediction_curve", "straight")):
        assert not [name for name in table(session, asset, partition).column_names if "score" in name]
    assert columns_without_words(session) == []

    # the right outputs, then the candidates of both decodings in one pass; the two tasks are equal
    assert [len(call) for call in scored.calls] == [VIEWS, VIEWS]
    asked = [(view.prompt, answer) for call in scored.calls for view in call for answer in view.answers]
    assert len(asked) == len(set(asked))

    # one view more is all that is computed, and predictions stay
    scored.calls.clear()
    write(scored, VIEWS + 1)
    assert "predictions[turned/t0.0]" not in planned(scored.session())
    assert {"attempts[turned/t0.0]", "solution_scores[turned]"} <= planned(scored.session())
    refreshed(scored, "scores[turned/*")
    assert {view.number for call in scored.calls for view in call} == {VIEWS}

    # scores that are not wanted any more leave the tables
    write(scored, 0)
    assert {"attempts[turned/t0.0]", "failures[turned]", "results_table"} <= planned(scored.session())
    session = refreshed(scored)
    assert planned(session) == set()
    assert "score" not in table(session, "attempts", "turned/t0.0").column_names


def columns_without_words(session: Any) -> list[str]:
    """Columns of scored candidates that the UI does not explain."""
    found = {*table(session, "failures", "turned").column_names} - COLUMNS.keys()
    for asset, partition in (("scores", "t1.0|turned"), ("solution_scores", "turned"), ("attempts", "t1.0|turned")):
        records = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
        [newest] = session.instance.fetch_materializations(records, limit=1).records
        schema = newest.asset_materialization.metadata["dagster/column_schema"].value
        found |= {column.name for column in schema.columns if not column.description}
    return sorted(found)


def test_other_weights_have_other_scores(scored: SimpleNamespace) -> None:
    before = version(refreshed(scored, "scores[turned/t0.0]"), "t0.0").data_version
    write(scored, learning_rate=5e-4)
    assert version(refreshed(scored, "scores[turned/t0.0]"), "t0.0").data_version != before


def test_solutions_that_come_later_score_no_candidate_again(scored: SimpleNamespace) -> None:
    scored.write_tasks("asked")
    file = scored.data / "raw" / "asked.json"
    answered = json.loads(file.read_bytes())
    hidden = {name: {**task, "test": [{"input": task["test"][0]["input"]}]} for name, task in answered.items()}
    file.write_text(json.dumps(hidden))
    write(scored, dataset="asked")
    (scored.data / "experiments" / "straight.yaml").unlink()
    session = refreshed(scored, "turned")
    assert table(session, "scores", "turned/t1.0").num_rows > 0
    assert table(session, "solution_scores", "turned").num_rows == 0
    file.write_text(json.dumps(answered))
    made = {key: version(session, key).id for key in ("t0.0", "t1.0")}
    scored.calls.clear()
    session = refreshed(scored, "metrics[turned/*", "solution_scores[turned]")
    assert {key: version(session, key).id for key in made} == made
    assert scored.calls == []  # the right outputs were among the candidates
    assert table(session, "solution_scores", "turned").num_rows == 2
    assert table(session, "metrics", "turned/t0.0").num_rows == 1
