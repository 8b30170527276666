"""The template, the page and the schema say what the model says, and those in data/experiments are current."""

import json
from pathlib import Path

import pytest
import yaml

from arc_pipeline.arc.experiment import SLIPS, Experiment, read_experiment
from arc_pipeline.arc.experiment_docs import COMMAND, PAGE, SCHEMA, SECTIONS, page, schema, template
from arc_pipeline.errors import FaultyInput

EXPERIMENTS = Path(__file__).parents[2] / "data" / "experiments"
GOOD = {"train": [{"dataset": "d"}], "max_steps": 5, "predict": {"datasets": ["d"]}}


def test_page_and_schema_are_current() -> None:
    for name, content in ((PAGE, page()), (SCHEMA, schema())):
        assert (EXPERIMENTS / name).read_text() == content, f"write it again: {COMMAND}"


def test_every_field_is_described() -> None:
    for section in (Experiment, *SECTIONS.values()):
        undescribed = [name for name, field in section.model_fields.items() if not field.description]
        assert undescribed in ([], ["name"])


def test_a_template_is_an_experiment_and_names_every_field(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(template("mine"))
    experiment = read_experiment(file)
    assert experiment.datasets() == {"train": ["mine"], "validation": [], "predict.datasets": ["mine"]}
    for name in Experiment.model_fields.keys() - {"name"}:
        assert f"{name}:" in file.read_text()


def test_what_a_template_comments_out_is_what_holds_anyway(tmp_path: Path) -> None:
    file, whole = tmp_path / "mine.yaml", tmp_path / "whole.yaml"
    file.write_text(template("mine"))
    lines = [
        line for line in template("mine").splitlines() if not line.startswith(("# yaml-language", "# Each", "# ch"))
    ]
    settings = [line.replace("# ", "", 1) if _is_setting(line) else line for line in lines]
    whole.write_text("\n".join(settings))
    assert read_experiment(whole).model_dump(exclude={"name"}) == read_experiment(file).model_dump(exclude={"name"})


def _is_setting(line: str) -> bool:
    """Whether a line is a field that is commented out."""
    word = line.strip().removeprefix("#").strip().partition(":")[0]
    names = {*Experiment.model_fields, *(name for section in SECTIONS.values() for name in section.model_fields)}
    return line.strip().startswith("#") and word in {*names, "prompt", "weight"}


def test_the_schema_knows_the_fields_of_a_file() -> None:
    document = json.loads(schema())
    assert set(document["properties"]) == Experiment.model_fields.keys() - {"name"}
    assert document["additionalProperties"] is False


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"lr": 1e-3}, "unknown field; write learning_rate"),
        ({"epochs": 3}, "write max_steps"),
        ({"train": ["d"]}, "write {dataset: d}"),
        ({"train": "d"}, "write [{dataset: d}]"),
        ({"predict": "d"}, "write {datasets: [d]}"),
        ({"predict": {"datasets": "d"}}, "write [d]"),
        ({"predict": {"datasets": ["d"], "n": 3}}, "write predictions"),
        ({"tuning": "lora"}, "write {method: lora}"),
        ({"rank": 3}, "did you mean 'tuning.rank'"),
        ({"temperature": 0.5}, "every experiment is evaluated at 0.0"),
    ],
)
def test_a_likely_slip_is_told_what_to_write(tmp_path: Path, wrong: dict[str, object], hint: str) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(GOOD | wrong))
    with pytest.raises(FaultyInput) as error:
        read_experiment(tmp_path / "mine.yaml")
    assert hint in str(error.value)


def test_no_field_is_called_a_slip() -> None:
    assert not SLIPS.keys() & Experiment.model_fields.keys()
