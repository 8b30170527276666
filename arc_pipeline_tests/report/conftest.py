"""A task with its answers, and a reader of pictures."""

import io
from collections.abc import Callable

import pytest
from PIL import Image

from arc_pipeline.arc.evaluation.voting import RankedCandidate
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.report.grids.gallery import AnsweredPair

TRUTH = ((1, 2), (3, 4))
TASK = Task("swap", (Pair(((2, 1),), ((1, 2),)), Pair(((4, 3),), ((3, 4),))), (Pair(((2, 1), (4, 3)), TRUTH),))
WRONG = ((1, 2), (3, 9))
WIDE = ((5, 6, 7),)


@pytest.fixture
def answered() -> AnsweredPair:
    """Three distinct grids for the test pair of TASK: a wrong cell, another size, the truth."""
    ranked = tuple(RankedCandidate(grid, votes, -0.1, votes) for grid, votes in ((WRONG, 5), (WIDE, 2), (TRUTH, 1)))
    return AnsweredPair("d", TASK, 0, ranked, 10, "e, t1.0")


@pytest.fixture
def colours_of() -> Callable[[bytes], set[str]]:
    """The colours of a PNG that have more than 50 pixels, as `#rrggbb`."""

    def read(png: bytes) -> set[str]:
        image = Image.open(io.BytesIO(png)).convert("RGB")
        counts = image.getcolors(1 << 24) or []
        return {"#{:02x}{:02x}{:02x}".format(*colour) for count, colour in counts if count > 50}

    return read
