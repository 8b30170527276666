"""Files to documents: bytes, JSON and YAML, with faults that name file, line and column.
Knows nothing of what they mean.

Keys that occur twice are never dropped silently: JSON remembers them for its reader, YAML is refused.
"""

import json
from collections.abc import Hashable
from pathlib import Path

import yaml

from arc_pipeline.errors import Fault, FaultyInput


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
        found = repr(exc.doc[exc.pos : exc.pos + 20]) if exc.pos < len(exc.doc) else "the end of the file"
        raise FaultyInput([Fault(file, place, f"broken JSON: {exc.msg}", found)]) from exc
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


class TextLoader(_Unrepeated, yaml.BaseLoader):
    """Leaves scalars as text: YAML would read the task id 00576224 as an octal number."""


class TypedLoader(_Unrepeated, yaml.SafeLoader):
    """Reads numbers, truth values and nulls."""


def parse_yaml(file: str, content: bytes, loader: type[TextLoader] | type[TypedLoader]) -> object:
    """The YAML document in `content`, made of plain values only."""
    try:
        return yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # also an impossible date, absurd nesting
        mark = getattr(exc, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or " ".join(str(exc).split())
        raise FaultyInput([Fault(file, place, f"broken YAML: {problem}")]) from exc
