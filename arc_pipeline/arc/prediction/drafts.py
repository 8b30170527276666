"""Guesses of a candidate from what is there: other candidates of its test pair, or the test input. Knows no models.

Whatever augmentation an answer was found under, it is undone and the other prompt's is applied.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from arc_pipeline.arc.prediction.encoder import GridEncoder
from arc_pipeline.arc.prediction.questions import Completion, Question, decode
from arc_pipeline.arc.tasks.task import Grid


class CandidateDrafts:
    """For each question, the grids that other answers to the same test pair have shown, the most frequent first."""

    def __init__(self, questions: Sequence[Question], encoder: GridEncoder) -> None:
        self._questions, self._encoder = questions, encoder
        self._found: dict[tuple[str, str, int], dict[Grid, int]] = defaultdict(dict)

    def family(self, ask: int) -> tuple[str, str, int]:
        """The test pair."""
        question = self._questions[ask]
        return question.dataset, question.task.task_id, question.test_index

    def guesses(self, ask: int) -> Iterator[str]:
        """Candidates of the same test pair under the question's own augmentation, then its test input."""
        question = self._questions[ask]
        found = self._found[self.family(ask)]
        grids = [*sorted(found, key=lambda grid: -found[grid]), question.task.test[question.test_index].input]
        for grid in grids:
            yield self._encoder.encode(question.recipe.augmentation.apply(grid))

    def finished(self, ask: int, completion: Completion) -> None:
        """Counts the grid of a completion, if it is one."""
        grid, _ = decode(completion, self._questions[ask].recipe.augmentation, self._encoder)
        if grid is not None:
            found = self._found[self.family(ask)]
            found[grid] = found.get(grid, 0) + 1
