"""Two experiments, task by task, on hand-made tables."""

import json

import pyarrow as pa
import pytest

from arc_pipeline.arc.evaluation.bootstrap import paired_difference
from arc_pipeline.arc.evaluation.comparison import compare_tasks, words
from arc_pipeline.errors import FaultyInput


def metrics(scores: dict[str, float], metric: str = "vote_2", n: int = 32, dataset: str = "d") -> pa.Table:
    columns = {"dataset": [dataset] * len(scores), "task_id": list(scores), "n": [n] * len(scores)}
    return pa.table(columns | {metric: list(scores.values())})


BEFORE = {"a": 0.0, "b": 1.0, "c": 0.5, "e": 0.0}
AFTER = {"c": 0.5, "b": 0.5, "a": 1.0, "e": 1.0}


def test_common_tasks_are_won_lost_or_neither() -> None:
    found = compare_tasks(metrics(BEFORE | {"old": 1.0}), metrics(AFTER | {"new": 1.0, "newer": 0.0}))
    assert (found["won"], found["lost"]) == (["d/a", "d/e"], ["d/b"])
    assert (found["tasks"], found["only_a"], found["only_b"]) == (4, 1, 2)
    assert (found["mean_a"], found["mean_b"], found["difference"]) == (0.375, 0.75, 0.375)
    assert json.loads(json.dumps(found)) == found


def test_the_interval_is_the_paired_bootstraps_whatever_the_order_of_the_rows() -> None:
    a, b = metrics(BEFORE), metrics(AFTER)
    expected = [*paired_difference(b.sort_by("task_id"), a, "vote_2", seed=3)]
    orders = ([0, 1, 2, 3], [3, 1, 0, 2])
    found = [compare_tasks(a.take(order), b.take(order[::-1]), seed=3) for order in orders]
    assert [[each["difference"], *each["interval"]] for each in found] == [expected] * 2


def test_a_task_is_common_only_within_its_dataset() -> None:
    both = pa.concat_tables([metrics({"a": 1.0}), metrics({"a": 0.0}, dataset="other")])
    found = compare_tasks(both, metrics({"a": 1.0}, dataset="other"))
    assert (found["won"], found["only_a"], found["only_b"]) == (["other/a"], 1, 0)


def test_fewer_unanswered_candidates_are_better() -> None:
    found = compare_tasks(metrics({"a": 0.5}, "unanswered"), metrics({"a": 0.25}, "unanswered"), "unanswered")
    assert (found["won"], found["lost"], found["difference"]) == (["d/a"], [], -0.25)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(FaultyInput, match=r"only experiments with tasks in common .* \(found 1 and 0 tasks\)"):
        compare_tasks(metrics({"a": 1.0}), metrics({}))
    with pytest.raises(ValueError, match=r"a metric is one of accuracy, .*, found 'pass_32'"):
        compare_tasks(metrics(BEFORE), metrics(AFTER), "pass_32")


def test_a_person_reads_a_few_lines() -> None:
    assert words(compare_tasks(metrics({"a": 0.0}), metrics({"a": 1.0}))) == [
        "vote_2 over 1 task: 0.0% -> 100.0%",
        "difference: +100.0 points, 95 % interval +100.0 to +100.0",
        "won: 1 task: d/a",
        "lost: 0 tasks",
    ]


def test_reservations_are_said() -> None:
    many = {f"t{number:02}": 1.0 for number in range(12)}
    lines = words(compare_tasks(metrics(dict.fromkeys(many, 0.0) | {"z": 0.0}), metrics(many, n=8)))
    assert lines[2].endswith("d/t09, and 2 more")
    assert lines[4:] == [
        "left out: 1 in the first only, 0 in the second only",
        "not alike: 32 candidates a test pair in the first, 8 in the second",
    ]
