"""Two experiments, task by task, on hand-made tables; and what test-time training gained on its start."""

import json
from dataclasses import asdict
from typing import Any

import pandas as pd
import pytest

from arc_pipeline.arc.evaluation.bootstrap import paired_difference
from arc_pipeline.arc.evaluation.comparison import GAINED, compare_tasks, gains_of_test_time_training
from arc_pipeline.arc.evaluation.metrics import SHOWN_METRICS, TASK_METRICS
from arc_pipeline.errors import FaultyInput


def metrics(scores: dict[str, float], metric: str = "vote_2", n: int = 32, dataset: str = "d") -> pd.DataFrame:
    columns = {"dataset": [dataset] * len(scores), "task_id": list(scores), "n": [n] * len(scores)}
    return pd.DataFrame(columns | {metric: list(scores.values())})


BEFORE = {"a": 0.0, "b": 1.0, "c": 0.5, "e": 0.0}
AFTER = {"c": 0.5, "b": 0.5, "a": 1.0, "e": 1.0}


def test_common_tasks_are_won_lost_or_neither() -> None:
    found = compare_tasks(metrics(BEFORE | {"old": 1.0}), metrics(AFTER | {"new": 1.0, "newer": 0.0}))
    assert (found.won, found.lost) == (["d/a", "d/e"], ["d/b"])
    assert (found.tasks, found.only_a, found.only_b) == (4, 1, 2)
    assert (found.mean_a, found.mean_b, found.difference) == (0.375, 0.75, 0.375)
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_the_interval_is_the_paired_bootstraps_whatever_the_order_of_the_rows() -> None:
    a, b = metrics(BEFORE), metrics(AFTER)
    expected = [*paired_difference(b.sort_values("task_id"), a, "vote_2", seed=3)]
    orders = ([0, 1, 2, 3], [3, 1, 0, 2])
    found = [compare_tasks(a.take(order), b.take(order[::-1]), seed=3) for order in orders]
    assert [[each.difference, *each.interval] for each in found] == [expected] * 2


def test_a_task_is_common_only_within_its_dataset() -> None:
    both = pd.concat([metrics({"a": 1.0}), metrics({"a": 0.0}, dataset="other")])
    found = compare_tasks(both, metrics({"a": 1.0}, dataset="other"))
    assert (found.won, found.only_a, found.only_b) == (["other/a"], 1, 0)


def test_fewer_unanswered_candidates_are_better() -> None:
    found = compare_tasks(metrics({"a": 0.5}, "unanswered"), metrics({"a": 0.25}, "unanswered"), "unanswered")
    assert (found.won, found.lost, found.difference) == (["d/a"], [], -0.25)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(FaultyInput, match=r"only experiments with tasks in common .* \(found 1 and 0 tasks\)"):
        compare_tasks(metrics({"a": 1.0}), metrics({}))
    with pytest.raises(ValueError, match=r"a metric is one of accuracy, .*, found 'pass_32'"):
        compare_tasks(metrics(BEFORE), metrics(AFTER), "pass_32")


def test_a_person_reads_a_few_lines() -> None:
    assert compare_tasks(metrics({"a": 0.0}), metrics({"a": 1.0})).summary() == [
        "vote_2 over 1 task: 0.0% -> 100.0%",
        "difference: +100.0 points, 95 % interval +100.0 to +100.0",
        "won: 1 task: d/a",
        "lost: 0 tasks",
    ]


def test_reservations_are_said() -> None:
    many = {f"t{number:02}": 1.0 for number in range(12)}
    lines = compare_tasks(metrics(dict.fromkeys(many, 0.0) | {"z": 0.0}), metrics(many, n=8)).summary()
    assert lines[2].endswith("d/t09, and 2 more")
    assert lines[4:] == [
        "left out: 1 in the first only, 0 in the second only",
        "not alike: 32 candidates a test pair in the first, 8 in the second",
    ]


ADAPTED = json.dumps({"initial_checkpoint": "base", "test_time": "dataset"})
RESUMED = json.dumps({"initial_checkpoint": "base"})


def row(experiment: str, settings: str = "{}", decoding: str = "t0.0") -> dict[str, Any]:
    return {"experiment": experiment, "decoding": decoding, "dataset": "d", "settings": settings}


def per_task(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"experiment": name, "decoding": "t0.0", "dataset": "d", "task_id": str(number), "n": 4}
        | dict.fromkeys(TASK_METRICS, value)
        for name, each in values.items()
        for number, value in enumerate(each)
    ]
    return pd.DataFrame(rows)


def test_only_test_time_training_is_compared_with_its_start() -> None:
    tasks = per_task({"base": [0, 0, 0, 1], "adapted": [1, 0, 1, 1], "resumed": [1, 1, 1, 1]})
    rows = [row("base"), row("adapted", ADAPTED), row("resumed", RESUMED)]
    base, adapted, resumed = gains_of_test_time_training(pd.DataFrame(rows), tasks)
    assert base == resumed == []
    assert len(adapted) == len(GAINED)
    assert adapted[0].startswith(
        "adapted against its start base: accuracy over 4 tasks: 25.0% -> 75.0%; "
        "difference: +50.0 points, 95 % interval +0.0 to +100.0"
    )


def test_a_start_without_predictions_at_the_same_decoding_is_no_comparison() -> None:
    tasks = per_task({"adapted": [1, 0]})
    assert gains_of_test_time_training(pd.DataFrame([row("adapted", ADAPTED)]), tasks) == [[]]


def test_tasks_that_only_one_of_them_was_evaluated_on_are_said() -> None:
    tasks = per_task({"base": [0, 0], "adapted": [1, 0, 1]})
    [adapted] = gains_of_test_time_training(pd.DataFrame([row("adapted", ADAPTED)]), tasks)
    assert adapted
    assert all(line.endswith("left out: 0 in the first only, 1 in the second only") for line in adapted)


def test_metrics_of_which_more_is_better_with_more_candidates_are_no_gain() -> None:
    assert {*SHOWN_METRICS} - {*GAINED} == {"pass_n"}
