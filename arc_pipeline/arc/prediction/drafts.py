"""Guesses of a candidate: the other candidates of its test pair, or the test input. Knows no models.

A guess has the augmentation of the prompt that it is for, whatever augmentation it was completed under.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from arc_pipeline.arc.prediction.candidates import decode
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.requests import CandidateRequest
from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import Grid


class CandidateDrafts:
    """For each request, the grids that other completions of the same test pair have shown, the most frequent first."""

    def __init__(self, requests: Sequence[CandidateRequest], encoder: GridEncoder) -> None:
        self._requests, self._encoder = requests, encoder
        self._counts: dict[tuple[str, str, int], dict[Grid, int]] = defaultdict(dict)

    def family(self, index: int) -> tuple[str, str, int]:
        """The test pair."""
        request = self._requests[index]
        return request.dataset, request.task.task_id, request.test_index

    def guesses(self, index: int) -> Iterator[str]:
        """Candidates of the same test pair under the request's own augmentation, then its test input."""
        request, counts = self._requests[index], self._counts[self.family(index)]
        grids = [*sorted(counts, key=lambda grid: -counts[grid]), request.task.test[request.test_index].input]
        for grid in grids:
            yield self._encoder.encode(request.recipe.augmentation.apply(grid))

    def finished(self, index: int, completion: Completion) -> None:
        """Counts the grid of a completion, if it is one."""
        grid, _ = decode(completion, self._requests[index].recipe.augmentation, self._encoder)
        if grid is not None:
            counts = self._counts[self.family(index)]
            counts[grid] = counts.get(grid, 0) + 1
