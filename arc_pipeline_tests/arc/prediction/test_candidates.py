"""Each completion becomes one candidate: the grid with its augmentation undone, or the reason why it is none."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from arc_pipeline.arc.augmentation.augmentation import Augmentation
from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import DECODED, PREDICTION_SCHEMA, candidate_row, decode
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import CandidateRequest, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import SOLVE
from arc_pipeline.arc.tasks.task import Task

MINIMAL = parse_encoder("MinimalGridEncoder()")
DEMO = parse_encoder("GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))")
TURNED = Augmentation("rotate_90", (0, 2, 1, *range(3, 10)))


def request(task: Task, augmentation: Augmentation = TURNED) -> CandidateRequest:
    recipe = Recipe("written", task.task_id, SOLVE, augmentation, (2, 0, 1), 3)
    return CandidateRequest("the prompt", 11, 1.0, "written", task, 0, 5, recipe)


def requests(tasks: dict[str, list[Task]]) -> Iterator[CandidateRequest]:
    fields = {"name": "x", "train": [{"dataset": "written"}], "max_steps": 1}
    predict = {"datasets": ["written"], "predictions": 8}
    return candidate_requests(Experiment.model_validate(fields | {"predict": predict}), tasks)


def test_the_right_answer_is_decoded_and_its_augmentation_undone(tasks: dict[str, list[Task]]) -> None:
    for one in requests(tasks):
        answer = one.recipe.render(one.task, DEMO).answer
        truth = one.task.test[one.test_index].output
        assert decode(Completion(answer, -1.0, 9), one.recipe.augmentation, DEMO) == (truth, DECODED)


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (Completion("", 0.0, 0), "an empty row"),
        (Completion("12\n3", -1.0, 4), "ragged rows"),
        (Completion("12\n3x", -1.0, 5), "a cell is no digit"),
        (Completion("12\n", -1.0, 4), "an empty row"),
        (Completion("12", -1.0, 3, refusal="the prompt is too long"), "the prompt is too long"),
    ],
)
def test_what_is_no_grid_is_kept_with_its_reason(one_test: Task, completion: Completion, outcome: str) -> None:
    row = candidate_row(request(one_test), completion, MINIMAL)
    assert (row["grid"], row["outcome"], row["completion"]) == (None, outcome, completion.text)


def test_a_row_by_hand(one_test: Task) -> None:
    completion = Completion("31\n42", -0.5, 6, token_logprobs=np.array([-0.5, 0], np.float32))
    row = candidate_row(request(one_test), completion, MINIMAL)
    assert row == {
        "dataset": "written",
        "task_id": "one_test",
        "test_index": 0,
        "candidate_index": 5,
        "transform": "rotate_90",
        "colour_map": [0, 2, 1, 3, 4, 5, 6, 7, 8, 9],
        "demonstrations": [2, 0, 1],
        "seed": 11,
        "completion": "31\n42",
        "grid": ((2, 1), (3, 4)),
        "outcome": "decoded",
        "logprob": -0.5,
        "n_tokens": 6,
        "token_logprobs": [-0.5, 0],
    }


def test_a_table_keeps_rows_exactly(tasks: dict[str, list[Task]]) -> None:
    completions = ["12\n34", "1", "no grid"]
    rows = [
        candidate_row(one, Completion(completions[number % 3], -float(number), number), MINIMAL)
        for number, one in enumerate(requests(tasks))
    ]
    read = pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA).to_pylist()
    for row in read:
        row["grid"] = row["grid"] and tuple(map(tuple, row["grid"]))
    assert read == rows
