"""Renaming in files: each place that means the name, and nothing else."""

from pathlib import Path

import pytest
import yaml

from arc_pipeline.arc.renaming import IN_DATASETS, IN_EXPERIMENTS, edits, refuse_name, replaced
from arc_pipeline.errors import ArcPipelineError

EXPERIMENT = """\
# trained on a
model: a  # not a dataset
train:
  - {dataset: a, weight: 2}
  - dataset: "a"
predict: {datasets: [a, b], predictions: 2}
"""


def test_comments_and_other_fields_stay() -> None:
    text = replaced(EXPERIMENT, IN_EXPERIMENTS["dataset"], "a", "new-name")
    assert text == EXPERIMENT.replace("dataset: a,", "dataset: new-name,").replace('"a"', "new-name").replace(
        "[a, b]", "[new-name, b]"
    )


def test_a_name_that_reads_as_a_number_is_quoted() -> None:
    text = replaced(EXPERIMENT, IN_EXPERIMENTS["dataset"], "a", "1e3")
    assert yaml.safe_load(text)["predict"]["datasets"] == ["1e3", "b"]


def test_entries_and_what_is_derived_from_them() -> None:
    text = "# all\na: {union: [x, y]}\nb: {of: a, first: 3}\nc: {union: [a, b]}\n"
    assert replaced(text, IN_DATASETS["dataset"], "a", "n", also_keys=True) == (
        "# all\nn: {union: [x, y]}\nb: {of: n, first: 3}\nc: {union: [n, b]}\n"
    )


def test_the_files_of_a_dataset_are_those_that_are_called_after_it(tmp_path: Path) -> None:
    (tmp_path / "raw" / "a").mkdir(parents=True)
    for name in ("a.json", "a_challenges.json", "a_solutions.json", "ab.json", "a-b.json", "a_other.json"):
        (tmp_path / "raw" / name).write_text("{}")
    renamed = {edit.path.name: edit.target.name for edit in edits(tmp_path, "dataset", "a", "n") if edit.target}
    assert renamed == {
        "a": "n",
        "a.json": "n.json",
        "a_challenges.json": "n_challenges.json",
        "a_solutions.json": "n_solutions.json",
    }


def test_the_file_itself_comes_last_so_that_an_interrupted_renaming_goes_on(tmp_path: Path) -> None:
    (tmp_path / "experiments" / "deep").mkdir(parents=True)
    (tmp_path / "experiments" / "deep" / "a.yaml").write_text("model: tiny\n")
    (tmp_path / "experiments" / "b.yaml").write_text("initial_checkpoint: a\n")
    (tmp_path / "training_queue.yaml").write_text("- a\n- b\n")
    for edit in edits(tmp_path, "experiment", "a", "n")[:2]:
        edit.apply()
    for edit in (left := edits(tmp_path, "experiment", "a", "n")):
        edit.apply()
    assert len(left) == 1
    assert (tmp_path / "experiments" / "deep" / "n.yaml").is_file()
    assert (tmp_path / "training_queue.yaml").read_text() == "- n\n- b\n"
    assert (tmp_path / "experiments" / "b.yaml").read_text() == "initial_checkpoint: n\n"


@pytest.mark.parametrize("name", ["", "../a", "a b", ".a"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ArcPipelineError, match="cannot be a name"):
        refuse_name(name)
