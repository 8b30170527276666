"""Tasks found by their id, and what is said of an id that is not there."""

import json
from pathlib import Path

import pytest

from arc_pipeline.arc.tasks.catalogue import Catalogue
from arc_pipeline.arc.tasks.lookup import find_task, like, own_datasets
from arc_pipeline.errors import ArcPipelineError, FaultyInput

PAIR = {"input": [[1]], "output": [[2]]}
TASK = {"train": [PAIR, PAIR], "test": [PAIR]}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two files that share a task, a derived dataset with less of it, and a faulty file."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.json").write_text(json.dumps({"00aa11": TASK, "00aa12": TASK}))
    (raw / "b.json").write_text(json.dumps({"00aa12": TASK | {"train": [PAIR]}, "ffff": TASK}))
    (raw / "broken.json").write_text("{")
    (tmp_path / "datasets.yaml").write_text("aaa: {of: a, leave_one_out: true}")
    return Catalogue.read(tmp_path)


def test_the_first_dataset_that_has_it_as_it_was_written(catalogue: Catalogue) -> None:
    assert own_datasets(catalogue) == ["a", "b", "broken"]
    name, task = find_task(catalogue, "00aa12")
    assert (name, len(task.train), len(task.test)) == ("a", 2, 1)
    assert find_task(catalogue, "ffff")[0] == "b"


def test_the_dataset_that_is_named(catalogue: Catalogue) -> None:
    assert len(find_task(catalogue, "00aa12", "b")[1].train) == 1
    assert len(find_task(catalogue, "00aa12", "aaa")[1].train) == 1
    with pytest.raises(FaultyInput, match="there is no dataset 'c'"):
        find_task(catalogue, "00aa12", "c")
    with pytest.raises(FaultyInput, match=r"broken\.json"):
        find_task(catalogue, "00aa12", "broken")


def test_an_unknown_id_is_told_the_nearest_and_what_was_not_searched(catalogue: Catalogue) -> None:
    with pytest.raises(ArcPipelineError) as error:
        find_task(catalogue, "00aa13")
    words = "there is no task '00aa13' in a, b; did you mean '00aa12' or '00aa11'?; could not be read: broken"
    assert str(error.value) == words


def test_nothing_is_suggested_that_is_not_alike() -> None:
    assert like("zzzz", ["00aa11"]) == ""
