"""Files to documents: bytes, JSON and YAML, with faults that name file, line and column, or the field that is wrong.
Knows nothing of what they mean.

Keys that occur twice are never dropped silently: JSON remembers them for its reader, YAML is refused.
"""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.errors import Fault, FaultyInput
from arc_pipeline.uncounted import uncounted

LONGEST_VALUE = 80
LARGEST_YAML = 1 << 20
DEEPEST_YAML = 50
# what a level of a document begins with
OPENINGS = (b"[", b"{", b"- ", b": ", b":\n", b"? ")


def read_bytes(file: str, path: Path, advice: str = "put it back") -> bytes:
    """The content of `path`, called `file` in messages; `advice` says what to do if it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise FaultyInput([Fault(file, "", f"the file is missing: {advice}")]) from exc
    except OSError as exc:
        raise FaultyInput([Fault(file, "", "the file cannot be read", exc.strerror or repr(exc))]) from exc


class RepeatingObject(dict[str, object]):
    """A JSON object with repeated keys, which a plain dict would hide."""

    repeated: tuple[str, ...] = ()


def _object(items: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(items)
    if len(plain) == len(items):
        return plain
    repeating = RepeatingObject(plain)
    keys = [key for key, _ in items]
    repeating.repeated = tuple(key for key in plain if keys.count(key) > 1)
    return repeating


def parse_json(file: str, content: bytes) -> object:
    """The JSON document in `content`; objects with repeated keys are RepeatingObject."""
    try:
        return json.loads(content, object_pairs_hook=_object)
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}, column {exc.colno}"
        value = repr(exc.doc[exc.pos : exc.pos + 20]) if exc.pos < len(exc.doc) else "the end of the file"
        raise FaultyInput([Fault(file, place, f"broken JSON: {exc.msg}", value)]) from exc
    except (ValueError, RecursionError) as exc:  # not UTF-8, a number of thousands of digits, absurd nesting
        raise FaultyInput([Fault(file, "", "broken JSON", str(exc))]) from exc


class _Unrepeated(yaml.constructor.BaseConstructor):
    """Refuses repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is repeated", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class TextLoader(_Unrepeated, getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Leaves scalars as text: YAML would read the task id 00576224 as an octal number."""


class TypedLoader(_Unrepeated, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads numbers, truth values and nulls."""


def parse_yaml(file: str, content: bytes, loader: type[TextLoader] | type[TypedLoader]) -> object:
    """The YAML document in `content`, made of plain values only.

    Aliases are refused: a few lines of them stand for more than a memory holds. So is what is too large or too deep.
    """
    try:
        _refuse_expansion(content, loader)
        return yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # also an impossible date, absurd nesting
        mark = getattr(exc, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or " ".join(str(exc).split()).split(' in "<')[0]
        raise FaultyInput([Fault(file, place, f"broken YAML: {problem}")]) from exc


def _refuse_expansion(content: bytes, loader: type[TextLoader] | type[TypedLoader]) -> None:
    """Looks at the parts of a document before anything is made of them, where one of them may be harmful."""
    if len(content) > LARGEST_YAML:
        raise ValueError(f"{len(content):,} bytes, at most {LARGEST_YAML:,} are read")
    if b"*" not in content and sum(content.count(opening) for opening in OPENINGS) <= DEEPEST_YAML:
        return
    depth = 0
    for event in yaml.parse(content, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            problem = f"the alias *{event.anchor} is not read, write what it stands for"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_YAML:
            problem = f"more than {DEEPEST_YAML} levels"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


@uncounted("words of an error")
def field_faults(file: str, error: ValidationError, model: type[BaseModel], place: str = "") -> list[Fault]:
    """Each wrong field of a document that is no `model`; `place` is where in the file the document stands."""
    return [_field_fault(file, place, each, model) for each in error.errors()]


def _field_fault(file: str, place: str, error: ErrorDetails, model: type[BaseModel]) -> Fault:
    field, value = ".".join([*filter(None, [place]), *map(str, error["loc"])]), repr(error["input"])[:LONGEST_VALUE]
    if error["type"] == "missing":
        return Fault(file, field, "the field is missing")
    if error["type"] == "extra_forbidden":
        return Fault(file, field, f"unknown field{_hint(error['loc'], model)}", value)
    problem = error["msg"].removeprefix("Value error, ") + _form(error, model)
    return Fault(file, field, problem, value if error["loc"] else "")


def _form(error: ErrorDetails, model: type[BaseModel]) -> str:
    """How a name is written where a list or a section is wanted."""
    written, fields = error["input"], _section(model, error["loc"]).model_fields
    if not isinstance(written, str) or error["type"] not in {"list_type", "model_type", "model_attributes_type"}:
        return ""
    is_list = error["type"] == "list_type"
    first = next((name for name in ("dataset", "datasets", "method") if name in fields), "")
    inner = written if is_list and first != "dataset" else f"{{{first}: {written}}}"
    inner = f"{{datasets: [{written}]}}" if not is_list and first == "datasets" else inner
    return f"; write {f'[{inner}]' if is_list else inner}" if first else ""


def _hint(place: Sequence[int | str], model: type[BaseModel]) -> str:
    """What an unknown field may mean: one that its section has, or the same word in another section."""
    slips: Mapping[str, str] = getattr(_section(model, place[:-1]), "slips", {})
    if meant := slips.get(str(place[-1])):
        return f"; write {meant}"
    word, sections = str(place[-1]), {name: _section(model, [name]) for name in model.model_fields}
    elsewhere = [f"{name}.{word}" for name, section in sections.items() if word in section.model_fields]
    if elsewhere and len(place) == 1:
        return f"; did you mean {elsewhere[0]!r}?"
    # an experiment has its name from its file
    return did_you_mean_or_all(word, _section(model, place[:-1]).model_fields.keys() - {"name"})


def _section(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model of the part of a document that a place is in."""
    for name in (step for step in place if isinstance(step, str)):
        model = next(_models_in(model.model_fields[name].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
