"""The table of tasks keeps every task exactly."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.arc.tasks import task_table
from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.packed_task import PackedTask
from arc_pipeline.arc.tasks.task import Pair, Task, grid_problem
from arc_pipeline.arc.tasks.task_table import TASKS_SCHEMA, read_tasks, tasks_from_table, tasks_table
from arc_pipeline.store.tables import write_table

SHIPPED = Path(__file__).parents[3] / "data"

grids = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10**6)).map(
    lambda drawn: tuple(tuple((drawn[2] + 7 * r + 3 * c * c) % 10 for c in range(drawn[1])) for r in range(drawn[0]))
)
pairs = st.builds(Pair, grids, grids)
tasks_strategy = st.lists(
    st.builds(
        Task,
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.lists(pairs, min_size=1, max_size=3).map(tuple),
        st.lists(pairs, max_size=2).map(tuple),
    ),
    max_size=4,
    unique_by=lambda task: task.task_id,
)


@settings(max_examples=60)
@given(tasks_strategy)
def test_table_round_trip(tasks: list[Task]) -> None:
    table = tasks_table(tasks)
    assert table.schema == TASKS_SCHEMA
    assert tasks_from_table(table) == tasks
    assert all(grid_problem(grid) is None for task in tasks_from_table(table) for grid in task.grids())


def test_table_rows() -> None:
    tasks = Catalogue.read(SHIPPED).load("arc-agi-1-training")
    table = tasks_table(tasks)
    assert table.num_rows == sum(len(task.pairs) for task in tasks)
    row = table.slice(5, 1).to_pylist()[0]
    assert (row["task_id"], row["split"], row["pair_index"]) == ("007bbfb7", "test", 0)
    assert [row[f"{part}_{side}"] for part in ("input", "output") for side in ("rows", "cols")] == [3, 3, 9, 9]
    assert tasks_from_table(table) == tasks


@pytest.mark.parametrize("at_a_time", [1, 7, 4096])
def test_many_tasks_are_packed(at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ((1, 2), (3, 4))
    made = [
        Task(f"t{i}", (Pair(grid, ((i % 10,),)),) * (1 + i % 3), (Pair(((i % 7,),), grid if i % 5 else ()),) * (i % 2))
        for i in range(50)
    ]
    write_table(tasks_table(made), tmp_path, "tasks")
    monkeypatch.setattr(task_table, "UNPACKED_PAIRS", 10)
    monkeypatch.setattr(task_table, "ROWS_AT_A_TIME", at_a_time)
    packed = read_tasks(tmp_path)
    assert {type(task) for task in packed} == {PackedTask}
    assert packed == made
    assert tasks_table(packed) == tasks_table(made)


def test_a_few_tasks_are_a_list(tmp_path: Path, tasks: dict[str, list[Task]]) -> None:
    write_table(tasks_table(tasks["written"]), tmp_path, "tasks")
    assert read_tasks(tmp_path) == tasks["written"]
