"""Galleries: what a model answered to a test pair, beside what it was shown and what is right. Knows no files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from arc_pipeline.arc.evaluation.failures import failure
from arc_pipeline.arc.evaluation.metric_tables import answered_counts
from arc_pipeline.arc.evaluation.metrics import wrong_cells
from arc_pipeline.arc.evaluation.voting import RankedCandidate, ranked_by_pair
from arc_pipeline.arc.prediction.prompt_samples import SAMPLE_TASKS
from arc_pipeline.arc.tasks.task import Grid, Task, shape
from arc_pipeline.report.grids.drawing import draw_board
from arc_pipeline.report.grids.grid_layout import NO_SOLUTION, Board, Panel, Row, Stack, compared, numbered

TOP: Final = 4


@dataclass(frozen=True)
class AnsweredPair:
    """A test pair with the distinct grids that a model answered, best rank first; `answered` counts all its answers.

    `source` is what pictures call the model, such as `demo-fixed, t1.0`.
    """

    dataset: str
    task: Task
    test_index: int
    ranked: tuple[RankedCandidate, ...]
    answered: int
    source: str

    @property
    def truth(self) -> Grid:
        """The right output, empty if it is not known."""
        return self.task.test[self.test_index].output

    @property
    def failure(self) -> dict[str, Any]:
        """Its row of the table `failures`."""
        return failure(self.ranked, self.truth, self.answered)


def answered_pairs(
    tasks_by_dataset: Mapping[str, Sequence[Task]], predictions: pa.Table, attempts: pa.Table, source: str
) -> Iterator[AnsweredPair]:
    """Every test pair of the tasks, in their order."""
    answered, ranked = answered_counts(predictions), ranked_by_pair(attempts)
    for dataset, tasks in tasks_by_dataset.items():
        for task in tasks:
            for index in range(len(task.test)):
                key = (dataset, task.task_id, index)
                yield AnsweredPair(dataset, task, index, tuple(ranked.get(key, [])), answered[key], source)


def worth_a_look(pairs: Sequence[AnsweredPair]) -> list[AnsweredPair]:
    """The pairs of SAMPLE_TASKS, solved or not, then those that failed; the first ones if there is neither.

    Of pairs without a solution there is no saying.
    """
    pairs = [pair for pair in pairs if pair.truth]
    sampled = [pair for pair in pairs if pair.task.task_id in SAMPLE_TASKS]
    failed = [pair for pair in pairs if pair.failure["reason"] != "solved"]
    return sampled + [pair for pair in failed if pair not in sampled] or list(pairs[: len(SAMPLE_TASKS)])


def gallery(pairs: Sequence[AnsweredPair], picture: str = "png", top: int = TOP) -> list[bytes]:
    """One picture for each pair, in one of `paper.FORMATS`."""
    return [draw_board(answers_board([pair], top), picture) for pair in pairs]


def answers_board(pairs: Sequence[AnsweredPair], top: int = TOP) -> Board:
    """Test pairs of one task: what the model was shown, then for each pair what is right and what was voted for."""
    task = pairs[0].task
    inputs = [Stack((Panel(task.test[pair.test_index].input),), f"test {pair.test_index}") for pair in pairs]
    shown = Row((*numbered(task.train, "train"), *inputs))
    title = f"task {task.task_id} of {pairs[0].dataset}: {pairs[0].source}"
    return Board(title, (shown, *(ranked_row(pair, top) for pair in pairs)))


def task_board(task: Task, dataset: str) -> Board:
    """All pairs of a task with their right outputs."""
    stacks = (*numbered(task.train, "train"), *numbered(task.test, "test"))
    return Board(f"task {task.task_id} of {dataset}", (Row(stacks),))


def ranked_row(pair: AnsweredPair, top: int = TOP) -> Row:
    """The right output and the most voted grids, wrong cells marked; without a right output the voted ones alone."""
    if not pair.truth:
        voted = [Stack((Panel(one.grid),), _votes(one, place)) for place, one in enumerate(pair.ranked[:top], start=1)]
        return Row(tuple(voted), f"test {pair.test_index}: {NO_SOLUTION} (n = {pair.answered})")
    rank = pair.failure["rank_of_truth"]
    truth = Stack((Panel(pair.truth),), f"right output\n{f'rank {rank}' if rank else 'not found'}")
    ranked = (ranked_stack(one, place, pair.truth) for place, one in enumerate(pair.ranked[:top], start=1))
    return Row((truth, *ranked), caption(pair))


def ranked_stack(candidate: RankedCandidate, place: int, truth: Grid) -> Stack:
    """A voted grid with its votes and what is wrong with it."""
    grid, label = candidate.grid, f"{_votes(candidate, place)}\n{verdict(candidate.grid, truth)}"
    return Stack((compared(grid, truth),), label, bold=grid == truth)


def _votes(candidate: RankedCandidate, place: int) -> str:
    return f"rank {place}: {candidate.votes} vote{'s' * (candidate.votes != 1)}"


def verdict(grid: Grid, truth: Grid) -> str:
    """What is wrong with a grid."""
    wrong = wrong_cells(grid, truth)
    if wrong is None:
        return f"size {_sides(grid)} for {_sides(truth)}"
    return f"✗ {wrong} of {len(truth) * len(truth[0])} wrong" if wrong else "✓ right"


def _sides(grid: Grid) -> str:
    return "{}x{}".format(*shape(grid))


def caption(pair: AnsweredPair) -> str:
    """Why the pair failed, if it did, and of how many answers that is said."""
    row = pair.failure
    words = {
        "solved": "solved within two attempts",
        "outvoted": "found but outvoted",
        "wrong_pixels": f"wrong pixels, {row['wrong_cells']} of {len(pair.truth) * len(pair.truth[0])}",
        "wrong_size": "wrong size",
        "undecodable": "undecodable, no answer is a grid",
        "no_prediction": "no prediction",
    }
    return f"test {pair.test_index}: {words[row['reason']]} (n = {pair.answered}, {row['n_decoded']} decoded)"
