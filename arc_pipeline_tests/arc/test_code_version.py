"""Code versions follow what a function calls, across modules, and see code only."""

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_pipeline.arc import code_version as module
from arc_pipeline.arc.code_version import code_version, reachable

MAIN = '''
"""A module."""
from made.helper import used, Base
import made.constants as constants

TABLE = {"a": used}
UNUSED = 1


def entry(number: int) -> int:
    """Says what it does."""
    from made.lazy import late  # only when needed
    return TABLE["a"](number) + late() + constants.LIMIT


def unrelated():
    return UNUSED


def base():
    return Base().method()
'''
HELPER = """
def used(x):
    return _inner(x)


def _inner(x):
    return x


def other():
    return 0


class Base:
    def method(self):
        return other()
"""
FILES = {
    "__init__": "",
    "main": MAIN,
    "helper": HELPER,
    "lazy": "def late():\n    return 3\n",
    "constants": "LIMIT = 5\nOTHER = 6\n",
}
Edit = Callable[..., str]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    caches = (module._tree, module._definitions, module._imports)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """The code version of `entry` in a small package, one of whose files has one text replaced."""
    package = tmp_path / "made"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PACKAGE", "made")

    def edited(file: str = "main", old: str = "", new: str = "", leave_out: tuple[str, ...] = ()) -> str:
        assert old in FILES[file]
        for name, text in FILES.items():
            (package / f"{name}.py").write_text(text.replace(old, new) if name == file and old else text)
        importlib.invalidate_caches()
        for each in (module._tree, module._definitions, module._imports):
            each.cache_clear()
        return code_version("made.main", "entry", leave_out)

    return edited


def test_what_is_reached(version: Edit) -> None:
    version()
    assert reachable("made.main", "entry") == {
        *(("made.main", "entry"), ("made.main", "TABLE"), ("made.helper", "used"), ("made.helper", "_inner")),
        *(("made.lazy", "late"), ("made.constants", "LIMIT")),
    }
    assert reachable("made.main", "base") == {
        *(("made.main", "base"), ("made.helper", "Base"), ("made.helper", "other")),
    }
    assert "made.main" not in sys.modules


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main", '"""A module."""', ""),
        ("main", '"""Says what it does."""', '"""Something else."""'),
        ("main", '    """Says what it does."""\n', ""),
        ("main", "  # only when needed", ""),
        ("main", "number: int) -> int", "number)"),
        ("main", 'TABLE = {"a": used}', "TABLE = {\n    'a': used,\n}"),
        ("main", "UNUSED = 1", "UNUSED = 2"),
        ("main", "return UNUSED", "return 0"),
        ("helper", "return 0", "return 1"),
        ("constants", "OTHER = 6", "OTHER = 7"),
    ],
)
def test_what_changes_nothing(version: Edit, file: str, old: str, new: str) -> None:
    assert version(file, old, new) == version()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main", '["a"](number)', '["a"](number + 1)'),
        ("main", 'TABLE = {"a": used}', 'TABLE = {"a": used, "b": used}'),
        ("helper", "return x", "return -x"),
        ("lazy", "return 3", "return 4"),
        ("constants", "LIMIT = 5", "LIMIT = 6"),
    ],
)
def test_what_changes_the_version(version: Edit, file: str, old: str, new: str) -> None:
    assert version(file, old, new) != version()


def test_a_module_that_is_left_out_does_not_count(version: Edit) -> None:
    left_out = ("made.lazy",)
    assert version("lazy", "return 3", "return 4", left_out) == version(leave_out=left_out) != version()


def test_an_asset_decorator_describes_only(version: Edit) -> None:
    version()
    plain, described = ("def f():\n    return 1", "@dg.asset(description='x')\ndef f():\n    return 1")
    other = "@cache\ndef f():\n    return 1"
    dumps = [ast.dump(module._stripped(ast.parse(source).body[0])) for source in (plain, described, other)]
    assert dumps[0] == dumps[1] != dumps[2]


def test_rendering_reaches_the_encoders_and_transforms_of_the_package() -> None:
    names = reachable("arc_pipeline.arc.examples", "draw_examples") | reachable(
        "arc_pipeline.arc.prediction", "questions"
    )
    assert ("arc_pipeline.arc.augmentation", "TRANSFORMS") in names
    assert ("arc_pipeline.arc.augmentation", "_flip_rows") in names
    assert ("arc_pipeline.arc.prompt", "solve_prompt") in names
    assert all(name.startswith("arc_pipeline.") for name, _ in names)
