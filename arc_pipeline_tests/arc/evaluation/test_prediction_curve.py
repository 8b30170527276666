"""What fewer candidates would give: against every subset counted one by one, and against the metrics of all of them."""

from itertools import combinations, permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_pipeline.arc.evaluation.metric_tables import aggregate, per_pair, per_task
from arc_pipeline.arc.evaluation.prediction_curve import (
    CURVE_METRICS,
    by_predictions,
    expected_pass_n,
    pair_curve,
    subset_sizes,
)
from arc_pipeline.arc.evaluation.voting import Candidate, attempts_table, rank
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.tasks.task import Grid, Task

TRUTH: Grid = ((1, 2),)
OTHERS: list[Grid] = [((3, 4),), ((5,),), ((6,),)]
GRIDS = st.sampled_from([TRUTH, *OTHERS, None])
LOGPROBS = st.sampled_from([-1.0, -0.5, -0.1])


def candidates_of(drawn: list[tuple[Grid | None, float]]) -> list[Candidate]:
    return [Candidate(index, grid, logprob, 1) for index, (grid, logprob) in enumerate(drawn)]


def votes_for_truth(chosen: list[Candidate]) -> bool:
    return TRUTH in [each.grid for each in rank(chosen)[:2]]


def test_sizes_are_powers_of_two_and_all() -> None:
    assert subset_sizes(1) == [1]
    assert subset_sizes(8) == [1, 2, 4, 8]
    assert subset_sizes(12) == [1, 2, 4, 8, 12]


@pytest.mark.parametrize("right", range(5))
@pytest.mark.parametrize("size", range(1, 5))
def test_pass_n_is_the_share_of_subsets_with_a_right_one(right: int, size: int) -> None:
    subsets = list(combinations(range(4), size))
    assert expected_pass_n(right, 4, size) == pytest.approx(sum(min(each) < right for each in subsets) / len(subsets))


@given(st.lists(st.tuples(GRIDS, LOGPROBS), min_size=4, max_size=4))
def test_over_all_orders_every_subset_counts_alike(drawn: list[tuple[Grid | None, float]]) -> None:
    candidates = candidates_of(drawn)
    orders = np.array(list(permutations(range(4))))
    curve = pair_curve(candidates, TRUTH, orders)
    for place, size in enumerate(subset_sizes(4)):
        subsets = [list(each) for each in combinations(candidates, size)]
        accuracy = np.mean([[each.grid == TRUTH for each in subset] for subset in subsets])
        passed = np.mean([any(each.grid == TRUTH for each in subset) for subset in subsets])
        assert curve[place] == pytest.approx([accuracy, passed, np.mean([*map(votes_for_truth, subsets)])])


@given(st.lists(st.tuples(GRIDS, LOGPROBS), min_size=4, max_size=4), st.permutations([-1.0, -2.0, -2.0, -5.0]))
def test_the_likeliest_of_fewer_candidates(drawn: list[tuple[Grid | None, float]], sums: list[float]) -> None:
    candidates, orders = candidates_of(drawn), np.array(list(permutations(range(4))))
    scores = {grid: [total / 2, total / 2] for grid, total in zip([TRUTH, *OTHERS], sums, strict=True)}
    curve = pair_curve(candidates, TRUTH, orders, scores)
    assert curve[:, :3] == pytest.approx(pair_curve(candidates, TRUTH, orders))

    def chosen(subset: tuple[Candidate, ...]) -> bool:
        found = {each.grid for each in subset if each.grid is not None}
        likelier = [grid for grid in found if sum(scores[grid]) > sum(scores[TRUTH])]
        return TRUTH in found and len(likelier) < 2

    for place, size in enumerate(subset_sizes(4)):
        assert curve[place, 3] == pytest.approx(np.mean([chosen(subset) for subset in combinations(candidates, size)]))


def test_a_candidate_that_is_missing_is_a_wrong_one() -> None:
    orders = np.array(list(permutations(range(4))))
    curve = pair_curve(candidates_of([(TRUTH, -1.0)]), TRUTH, orders)
    assert curve[:, 0] == pytest.approx([0.25] * 3)
    assert curve[:, 1] == pytest.approx([0.25, 0.5, 1.0])
    assert curve[:, 2] == pytest.approx([0.25, 0.5, 1.0])
    assert not pair_curve([], TRUTH, orders).any()


def predictions_of(tasks: dict[str, list[Task]], planned: int, seed: int) -> pa.Table:
    """Candidates of every test pair, some right, some undecodable."""
    rng = np.random.default_rng(seed)
    rows = [
        dict.fromkeys(PREDICTION_SCHEMA.names)
        | {"dataset": dataset, "task_id": task.task_id, "test_index": test_index, "candidate_index": index}
        | {"grid": [pair.output, pair.output, *OTHERS, None][rng.choice(6)], "logprob": -rng.random(), "n_tokens": 3}
        for dataset, found in tasks.items()
        for task in found
        for test_index, pair in enumerate(task.test)
        for index in range(planned)
    ]
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


@pytest.mark.parametrize("seed", range(5))
def test_all_candidates_give_the_metrics(tasks: dict[str, list[Task]], seed: int) -> None:
    asked = {"written": tasks["written"]}
    predictions = predictions_of(asked, 6, seed)
    pairs = per_pair(predictions, attempts_table(predictions), asked, 6)
    [expected] = aggregate(per_task(pairs), pairs)
    rows = by_predictions(predictions, asked, 6)
    assert [row["n"] for row in rows] == [1, 2, 4, 6]
    for name in CURVE_METRICS:
        assert rows[-1][name] == pytest.approx(expected[name])
        assert rows[-1]["intervals"][name] == pytest.approx(expected["intervals"][name])
    # every single candidate passes or fails by itself
    assert rows[0]["accuracy"] == pytest.approx(rows[0]["pass_n"])


def test_datasets_without_test_pairs_have_no_rows(tasks: dict[str, list[Task]]) -> None:
    predictions = predictions_of({"generated": tasks["generated"]}, 2, 0)
    assert by_predictions(predictions, tasks, 2)[0]["dataset"] == "written"
    assert {row["dataset"] for row in by_predictions(predictions, tasks, 2)} == {"written"}
    assert by_predictions(predictions, tasks, 2)[0]["accuracy"] == 0
