"""What test-time training gained is said beside its row, from hand-made tables of tasks; all other rows say nothing."""

import json
from typing import Any

import pyarrow as pa

from arc_pipeline.arc.evaluation.gains import GAINED, with_gains
from arc_pipeline.arc.evaluation.metrics import TASK_METRICS

ADAPTED = json.dumps({"initial_checkpoint": "base", "test_time": "dataset"})
GONE_ON = json.dumps({"initial_checkpoint": "base"})


def row(experiment: str, settings: str = "{}", decoding: str = "t0.0") -> dict[str, Any]:
    return {"experiment": experiment, "decoding": decoding, "dataset": "d", "settings": settings}


def per_task(values: dict[str, list[float]]) -> pa.Table:
    rows = [
        {"experiment": name, "decoding": "t0.0", "dataset": "d", "task_id": str(number), "n": 4}
        | dict.fromkeys(TASK_METRICS, value)
        for name, each in values.items()
        for number, value in enumerate(each)
    ]
    return pa.Table.from_pylist(rows)


def test_only_test_time_training_is_compared_with_its_start() -> None:
    tasks = per_task({"base": [0, 0, 0, 1], "adapted": [1, 0, 1, 1], "gone_on": [1, 1, 1, 1]})
    rows = [row("base"), row("adapted", ADAPTED), row("gone_on", GONE_ON)]
    base, adapted, gone_on = with_gains(rows, tasks)
    assert base["gains"] == gone_on["gains"] == []
    assert len(adapted["gains"]) == len(GAINED)
    assert adapted["gains"][0].startswith(
        "adapted against its start base: accuracy over 4 tasks: 25.0% -> 75.0%; "
        "difference: +50.0 points, 95 % interval +0.0 to +100.0"
    )


def test_a_start_without_answers_at_the_same_decoding_is_no_comparison() -> None:
    tasks = per_task({"adapted": [1, 0]})
    assert with_gains([row("adapted", ADAPTED)], tasks)[0]["gains"] == []


def test_tasks_that_only_one_of_them_was_asked_are_said() -> None:
    [adapted] = with_gains([row("adapted", ADAPTED)], per_task({"base": [0, 0], "adapted": [1, 0, 1]}))
    assert all(line.endswith("left out: 0 in the first only, 1 in the second only") for line in adapted["gains"])
