"""What an experiment file may say, for people and editors: a template, a page and a JSON schema, made from the model.

`python -m arc_pipeline.arc.experiment_docs data/experiments` writes the last two again.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.settings import AugmentationConfig, Prediction, Section, TrainingData, Tuning
from arc_pipeline.uncounted import uncounted

uncounted("describes what files may say")

PAGE, SCHEMA = "README.md", "schema.json"
COMMAND = "python -m arc_pipeline.arc.experiment_docs data/experiments"
# what a template begins with: the tiny model on a few tasks, minutes on two cores
WRITTEN = {"model": "tiny", "max_steps": 500, "batch_size": 8, "learning_rate": 2e-3}
SECTIONS: dict[str, type[Section]] = {"tuning": Tuning, "augmentation": AugmentationConfig, "predict": Prediction}
OF_EACH = {"train": TrainingData, "validation": TrainingData}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
WORDS = {bool: "true | false", int: "a whole number", float: "a number", str: "text"}
# the grid that the page shows in each encoding
PICTURED = ((0, 1, 2), (3, 4, 5))
ENCODERS = {
    "MinimalGridEncoder()": "rows on lines, cells as digits",
    "GridWithSeparationEncoder('|')": "a separator between cells",
    "RowNumberEncoder(MinimalGridEncoder())": "each line begins with its number",
    "GridCodeBlockEncoder(MinimalGridEncoder())": "between code fences",
    "GridShapeEncoder(MinimalGridEncoder())": "between code fences, rows x columns in the first one",
    "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))": "the default",
}


def template(dataset: str) -> str:
    """An experiment file that says nothing beyond its defaults but what it is about; each field has a comment."""
    lines = [
        f"# yaml-language-server: $schema={SCHEMA}",
        "# Each field with its default and what it may be. Those behind a # have their default; take the # away to",
        "# change one. In an editor that knows YAML schemas, the line above completes and checks the fields.",
        "",
    ]
    for name, field in _fields(Experiment):
        lines += [f"# {_comment(field)}", *_written(name, field, dataset), ""]
    return "\n".join(lines)


def _written(name: str, field: FieldInfo, dataset: str) -> list[str]:
    """The lines of a field."""
    if name == "train":
        return ["train:", f"  - dataset: {dataset}", *(f"    # {line}" for line in _of_section(TrainingData))]
    if name == "predict":
        lines = [f"  # {line}" for line in _of_section(Prediction)]
        return ["predict:", f"  datasets: [{dataset}]", *lines]
    if name in SECTIONS:
        return [f"# {name}:", *(f"#   {line}" for line in _of_section(SECTIONS[name]))]
    if name in WRITTEN:
        return [f"{name}: {_yaml(WRITTEN[name])}"]
    return [f"# {name}: {_yaml(field.get_default())}"]


def _of_section(section: type[Section]) -> Iterator[str]:
    for name, field in _fields(section):
        if not field.is_required():
            yield f"{name}: {_yaml(field.get_default())}    # {_comment(field)}"


def _comment(field: FieldInfo) -> str:
    return f"{field.description} {_allowed(field)}".rstrip()


def _fields(section: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    """All fields that a file may have."""
    return ((name, field) for name, field in section.model_fields.items() if name != "name")


def _allowed(field: FieldInfo) -> str:
    """What a field may be, with its bounds."""
    limits = [
        f"{BOUNDS[name]} {getattr(rule, name):g}" for rule in field.metadata for name in BOUNDS if _has(rule, name)
    ]
    words = _type(field.annotation)
    return f"({', '.join([words, *limits])})" if words else ""


def _has(rule: object, name: str) -> bool:
    # 2**63 of a seed says nothing to a person
    return isinstance(limit := getattr(rule, name, None), int | float) and limit < 1e9


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is list:
        inner = _type(get_args(annotation)[0])
        return f"a list of: {inner}" if inner else ""
    if arguments := get_args(annotation):
        return " | ".join(filter(None, ("null" if each is NoneType else _type(each) for each in arguments)))
    return WORDS.get(annotation, "")


def _yaml(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.1e}" if isinstance(value, float) and 0 < value < 0.01 else str(value)


def page() -> str:
    """The reference of all fields in Markdown, with a picture of each encoder."""
    lines = [
        "# What an experiment file may say",
        "",
        "Generated from `arc_pipeline/arc/experiment.py` and `settings.py`; to write it again:",
        f"`{COMMAND}`.",
        "",
        "One file, `NAME.yaml`, also in a folder, is one experiment. `arc-pipeline new NAME` writes one with every",
        "field in it. Editors that know YAML schemas complete and check fields after this line:",
        f"`# yaml-language-server: $schema={SCHEMA}`.",
        "",
        *_table(Experiment),
    ]
    sections: dict[str, type[Section]] = {**SECTIONS, "train and validation": TrainingData}
    for name, section in sections.items():
        lines += ["", f"## {name}", "", " ".join((section.__doc__ or "").split()), "", *_table(section)]
    lines += ["", "## Grid encoders", "", "How the grid of two rows and three columns is written:"]
    for name, words in ENCODERS.items():
        text = parse_encoder(name).encode(PICTURED).split("\n")
        lines += ["", f"`{name}`: {words}", "", *(f"    {line}" for line in text)]
    return "\n".join(lines) + "\n"


def _table(section: type[Section]) -> Iterator[str]:
    yield "| field | default | may be | what it is |"
    yield "|---|---|---|---|"
    for name, field in _fields(section):
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        default = "required" if field.is_required() else "see below" if nested else f"`{_yaml(field.get_default())}`"
        allowed = "see below" if nested or name in OF_EACH else _allowed(field).strip("()")
        cells = [f"`{name}`", default, allowed.replace("|", "\\|"), field.description or ""]
        yield f"| {' | '.join(cells)} |"


def schema() -> str:
    """The JSON schema of a file, for editors."""
    document = Experiment.model_json_schema()
    document["properties"].pop("name")
    document["required"] = [name for name in document["required"] if name != "name"]
    document["title"] = "An experiment of arc_pipeline"
    return json.dumps(document, indent=1) + "\n"


def main(directory: Path) -> None:
    """Writes the page and the schema."""
    (directory / PAGE).write_text(page())
    (directory / SCHEMA).write_text(schema())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
