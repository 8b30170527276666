"""Bins of tasks by hand, and their means against those of the whole."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.breakdown import (
    BIN_METRICS,
    GROUPINGS,
    MOST_CELLS,
    cells_bin,
    demonstrations_bin,
    metrics_by_bin,
)
from arc_pipeline.arc.tasks.task import Task


def test_the_bins_of_sizes() -> None:
    names = {cells: cells_bin(((0,) * cells,))[1] for cells in (1, 9, 10, 25, 26, 30)}
    assert names == {1: "1-9", 9: "1-9", 10: "10-25", 25: "10-25", 26: "26-100", 30: "26-100"}
    assert cells_bin(((0,) * 30,) * 30) == (5, "401-900")


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_bin_holds_its_sizes(rows: int, columns: int) -> None:
    order, name = cells_bin(((0,) * columns,) * rows)
    low, high = map(int, name.split("-"))
    assert low <= rows * columns <= high == MOST_CELLS[order]


def test_many_demonstrations_are_one_bin(one_test: Task, no_test: Task) -> None:
    assert demonstrations_bin(one_test) == (3, "3")
    assert demonstrations_bin(no_test) == (6, "6 or more")


def per_pair(values: dict[tuple[str, int], float], dataset: str = "written") -> pa.Table:
    rows = [
        {"dataset": dataset, "task_id": task, "test_index": index} | dict.fromkeys(BIN_METRICS, value)
        for (task, index), value in values.items()
    ]
    return pa.Table.from_pylist(rows)


def test_a_bin_is_a_mean_over_its_tasks(tasks: dict[str, list[Task]]) -> None:
    values = {("one_test", 0): 1.0, ("two_tests", 0): 0.5, ("two_tests", 1): 0.0}
    rows = metrics_by_bin(per_pair(values), {"written": tasks["written"]})
    found = {(row["grouping"], row["bin"]): row for row in rows}
    assert {row["grouping"] for row in rows} == GROUPINGS.keys()
    together = found["demonstrations", "3"]
    assert (together["tasks"], together["test_pairs"], together["vote_2"]) == (2, 3, pytest.approx((1.0 + 0.25) / 2))
    # the only test input of `one_test` has nine cells, those of `two_tests` have three
    assert found["input_cells", "1-9"]["tasks"] == 2
    low, high = together["intervals"]["vote_2"]
    assert (low, high) == pytest.approx((0.25, 1.0))


def test_bins_are_in_order_and_datasets_without_test_pairs_have_none(tasks: dict[str, list[Task]]) -> None:
    values = {("one_test", 0): 1.0, ("two_tests", 0): 0.5, ("two_tests", 1): 0.0}
    rows = metrics_by_bin(per_pair(values), tasks)
    assert {row["dataset"] for row in rows} == {"written"}
    for grouping in GROUPINGS:
        orders = [row["order"] for row in rows if row["grouping"] == grouping]
        assert orders == sorted(set(orders))
