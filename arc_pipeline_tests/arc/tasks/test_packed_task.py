"""A packed task is the task that it was made of, for whoever looks at it."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from arc_pipeline.arc.tasks.packed_task import PackedTask, renamed
from arc_pipeline.arc.tasks.task import Pair, Task

grids = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10**6)).map(
    lambda drawn: tuple(tuple((drawn[2] + 7 * r + 3 * c * c) % 10 for c in range(drawn[1])) for r in range(drawn[0]))
)
pairs = st.builds(Pair, grids, grids)
unanswered = st.builds(Pair, grids, st.just(()))
train, test = st.lists(pairs, max_size=3).map(tuple), st.lists(pairs | unanswered, max_size=3).map(tuple)


@settings(max_examples=60)
@given(st.builds(Task, st.text(max_size=8), train, test))
def test_packed_task_is_the_task(task: Task) -> None:
    packed = PackedTask.of(task)
    assert (packed.train, packed.test, packed.pairs) == (task.train, task.test, task.pairs)
    assert packed == task
    assert task == packed
    assert hash(packed) == hash(task)
    assert repr(packed) == repr(task).replace("Task(", "PackedTask(", 1)
    assert PackedTask.of(packed) is packed
    assert packed == PackedTask.of(Task(task.task_id, task.train, task.test)) == deepcopy(packed)


def test_another_task_is_not_equal() -> None:
    pair = Pair(((1, 2),), ((3,), (4,)))
    packed = PackedTask.of(Task("a", (pair,), (pair,)))
    for other in (
        Task("b", (pair,), (pair,)),
        Task("a", (pair, pair), ()),
        Task("a", (pair,), (Pair(((1,), (2,)), ((3,), (4,))),)),
        Task("a", (pair,), (Pair(pair.input, ((3,), (5,))),)),
    ):
        assert packed != other
        assert packed != PackedTask.of(other)
    assert packed != "a"


def test_changed_copies_are_tasks() -> None:
    pair = Pair(((1,),), ((2,),))
    task = Task("a", (pair, pair), (pair,))
    packed = PackedTask.of(task)
    assert replace(packed, test=()) == replace(task, test=())
    for given_task in (task, packed):
        changed = renamed(given_task, "folder/a")
        assert (type(changed), changed) == (type(given_task), Task("folder/a", task.train, task.test))
