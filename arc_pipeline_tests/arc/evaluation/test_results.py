"""Tables over experiments: marks by hand-made tables of tasks, order, and what a spreadsheet gets."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from arc_pipeline.arc.evaluation.results import (
    COMPETE,
    DURATION_COLUMNS,
    SHOWN_METRICS,
    TABLES,
    frame_of,
    greedy,
    greedy_by_duration,
    results_frame,
    settings,
    sorted_results,
    stored_results,
    what_it_shows,
    with_best,
)
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import write_table

ROW: dict[str, Any] = {
    **{"experiment": "fixed", "dataset": "ten", "decoding": "t0.0", "temperature": 0.0, "model": "tiny"},
    **{"tuning": "lora", "rank": 32, "max_steps": 600, "n": 32, "accuracy": 0.5, "correct_pixels": 0.25},
    **{"correct_size": 1.0, "unanswered": 0.0, "pass_n": 0.9, "vote_1": 0.7, "vote_2": 0.8, "task_score": 0.8},
    **{"task_solved": 0.8, "pair_score": 0.8, "planned": 320, "answered": 319, "decoded": 318, "tasks": 10},
    **{"test_pairs": 10, "intervals": {name: [0.0, 1.0] for name in SHOWN_METRICS}, "trace": "abc"},
    **{"contamination": "", "settings": "{}"},
}


def row(**changes: Any) -> dict[str, Any]:
    """A row of the results."""
    return ROW | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows))


def per_task(rows: list[dict[str, Any]], values: dict[str, list[float]]) -> pd.DataFrame:
    """The same values of all metrics, one a task, for each row of an experiment."""
    return pd.DataFrame(
        [
            {name: each[name] for name in ("experiment", "decoding", "dataset")}
            | {"task_id": str(number)}
            | dict.fromkeys(SHOWN_METRICS, value)
            for each in rows
            for number, value in enumerate(values[each["experiment"]])
        ]
    )


def marks(rows: list[dict[str, Any]], values: dict[str, list[float]], name: str = "duration") -> list[list[str]]:
    return with_best(table(*rows), per_task(rows, values), COMPETE[name])["best"].to_pylist()


def test_only_what_beats_every_other_beyond_chance_is_best() -> None:
    rows = [row(experiment=name) for name in "abc"]
    always = {"a": [0.9] * 8, "b": [0.5] * 8, "c": [0.1] * 8}
    assert marks(rows, always) == [list(SHOWN_METRICS), [], []]
    # a has the highest mean, but not beyond chance against b: it wins two tasks of eight
    assert marks(rows, always | {"b": [0.9] * 6 + [0.5] * 2}) == [[], [], []]
    assert marks(rows, always | {"b": [0.9] * 8}) == [[], [], []]
    assert marks(rows[:1], always) == [[]]


def test_a_few_tasks_are_no_evidence() -> None:
    rows = [row(experiment=name) for name in "ab"]
    assert marks(rows, {"a": [1.0] * 5, "b": [0.0] * 5}) == [[], []]
    assert marks(rows, {"a": [1.0] * 6, "b": [0.0] * 6}) == [list(SHOWN_METRICS), []]


def test_rows_over_other_tasks_are_not_compared() -> None:
    rows = [row(experiment=name) for name in "ab"]
    assert marks(rows, {"a": [1.0] * 8, "b": [0.0] * 7}) == [[], []]


def test_rows_compete_in_groups_and_pass_n_only_among_its_like() -> None:
    rows = [row(experiment="a"), row(experiment="b", n=8), row(experiment="c", dataset="other")]
    values = {"a": [1.0] * 8, "b": [0.0] * 8, "c": [1.0] * 8}
    assert marks(rows, values) == [[name for name in SHOWN_METRICS if name != "pass_n"], [], []]
    assert marks(rows, values, "temperatures") == [[], [], []]


def test_a_table_has_a_type_for_marks_also_where_there_are_none() -> None:
    rows = [row()]
    marked = with_best(table(*rows), per_task(rows, {"fixed": [1.0]}), COMPETE["duration"]).select(DURATION_COLUMNS)
    assert marked.schema.field("best").type == pa.list_(pa.string())
    assert marked.slice(0, 0).schema == marked.schema


def test_durations_are_greedy_and_in_order() -> None:
    ordered = [
        row(dataset="a", tuning="full", rank=32, max_steps=900),
        row(dataset="a", tuning="lora", rank=8, max_steps=900),
        row(dataset="a", tuning="lora", rank=16, max_steps=50),
        row(dataset="a", tuning="lora", rank=16, max_steps=100),
        row(dataset="b", tuning="full", rank=8, max_steps=10),
    ]
    sampled = row(dataset="a", temperature=0.5)
    assert greedy_by_duration(table(sampled, *reversed(ordered))).to_pylist() == ordered
    assert greedy_by_duration(table(sampled)).num_rows == 0


def test_models_are_compared_at_the_lowest_temperature_that_there_is() -> None:
    rows = [row(temperature=value) for value in (0.5, 0.2, None)]
    assert list(greedy(frame_of(table(*rows, row())))["temperature"]) == [0.0]
    assert list(greedy(frame_of(table(*rows)))["temperature"]) == [0.2]
    assert len(greedy(frame_of(table(row(temperature=None))))) == 1
    assert greedy(frame_of(table(row()).slice(0, 0))).empty


def test_metrics_are_sorted_from_the_highest_and_names_from_the_first() -> None:
    rows = table(row(experiment="b", vote_2=0.1), row(experiment="c", vote_2=0.9), row(experiment="a", vote_2=0.5))
    assert sorted_results(rows, "vote_2")["experiment"].to_pylist() == ["c", "a", "b"]
    assert sorted_results(rows, "experiment")["experiment"].to_pylist() == ["a", "b", "c"]
    assert sorted_results(rows, "pass_32") == rows
    unknown = table(row(temperature=None), row(temperature=1.0))
    assert sorted_results(unknown, "temperature")["temperature"].to_pylist() == [1.0, None]
    with pytest.raises(ArcPipelineError, match="unknown column 'vote2'; did you mean 'vote_2'"):
        sorted_results(rows, "vote2")


def test_settings_leave_out_how_long_and_how_often() -> None:
    config = {"seed": 7, "max_steps": 5, "predict": {}, "logging_steps": 1, "tuning": {"method": "full"}}
    assert settings(config) == settings(config | {"max_steps": 9, "logging_steps": 2})
    assert settings(config) != settings(config | {"seed": 8})


def test_a_frame_has_the_ends_of_the_intervals() -> None:
    frame = frame_of(table(row(best=["accuracy", "vote_2"])))
    assert frame[["accuracy", "accuracy_low", "accuracy_high"]].to_numpy().tolist() == [[0.5, 0.0, 1.0]]
    assert frame["best"].to_list() == [["accuracy", "vote_2"]]
    assert "intervals" not in frame


def test_a_notebook_gets_frames_of_what_is_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(Artefact("duration_table")) as directory:
        two = table(row(best=["vote_2"]), row(experiment="bug", vote_2=0.25, best=[]))
        write_table(two, directory, "duration_table")
        record = {"artefact": "duration_table", "data_version": "a" * 64, "code_version": "1", "upstream": {}}
        store.commit(directory, Lineage.model_validate(record))
    assert results_frame(store, "duration").set_index("experiment")["vote_2"].to_dict() == {"fixed": 0.8, "bug": 0.25}
    with pytest.raises(ArcPipelineError, match="unknown table 'durations'; did you mean 'duration'"):
        results_frame(store, "durations")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_a_metric_that_was_added_since_must_be_made_again(tmp_path: Path, name: str) -> None:
    store, asset = Store(tmp_path), TABLES[name]
    with store.writing(Artefact(asset)) as directory:
        write_table(table(row(best=[])).drop_columns(["pass_n"]), directory, asset)
        record = {"artefact": asset, "data_version": "a" * 64, "code_version": "1", "upstream": {}}
        store.commit(directory, Lineage.model_validate(record))
    message = rf"^{asset} was made by an older version, without pass_n; run: arc-pipeline refresh$"
    with pytest.raises(ArcPipelineError, match=message):
        stored_results(store, name)


def test_what_the_bug_costs_is_told_at_temperature_0() -> None:
    rows = table(
        row(vote_2=0.8),
        row(experiment="bug", vote_2=0.3),
        row(temperature=1.0, vote_2=0.1),
        row(experiment="bug", temperature=1.0, vote_2=0.9),
    )
    assert what_it_shows(frame_of(rows), "fixed", "bug") == (
        "At temperature 0, vote_2 is 80.0% where test pairs are trained on (fixed) and 30.0% where the bug keeps them "
        "out (bug): the bug costs 50 points, with nothing else changed."
    )
