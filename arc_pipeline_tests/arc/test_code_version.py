"""Code versions follow what a function calls, across modules, and see code only."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_pipeline.arc.code_version import (
    FOR_PEOPLE,
    THIS_PACKAGE,
    Package,
    code_version,
    definition_versions,
    reachable,
)


def version_of(*entry, **options) -> str:
    """The code version of what begins at an entry."""
    return code_version(definition_versions(*entry, **options))


MAIN = '''
"""A module."""
from made.helper import used, Base
import made.constants as constants
from .near import close
from . import nearer
import made.deep.inner
import json

TABLE = {"a": used}
UNUSED = 1


def entry(number: int) -> int:
    """Says what it does."""
    from made.lazy import late  # only when needed
    result = TABLE["a"](number) + late() + constants.LIMIT + close() + nearer.closest() + made.deep.inner.far()
    describe(result)
    return json.loads(str(result))


def describe(result):
    print(result)


@dg.asset(description="seen in the UI")
def asset():
    return 1


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
    "near": "from made.deep import moved as close\n",
    "nearer": "def closest():\n    return 7\n",
    "deep/__init__": "from .inner import moved\n",
    "deep/inner": "from ..helper import other\ndef far():\n    return 8\ndef moved():\n    return other()\n",
}
Edit = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Package:
    """A small package."""
    return write(tmp_path / "made")


def write(root: Path, file: str = "main", old: str = "", new: str = "") -> Package:
    """The package, one of whose files has one text replaced."""
    assert old in FILES[file]
    for name, text in FILES.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if name == file and old else text)
    return Package(root)


@pytest.fixture
def version(tmp_path: Path) -> Edit:
    """The code version of `entry` in the small package, edited."""

    def edited(file: str = "main", old: str = "", new: str = "", leave_out: tuple[str, ...] = ()) -> str:
        return version_of("made.main", "entry", leave_out, write(tmp_path / "made", file, old, new))

    return edited


def test_what_is_reached(made: Package) -> None:
    assert reachable("made.main", "entry", package=made) == {
        *(("made.main", "entry"), ("made.main", "TABLE"), ("made.helper", "used"), ("made.helper", "_inner")),
        *(("made.lazy", "late"), ("made.constants", "LIMIT"), ("made.nearer", "closest"), ("made.deep.inner", "far")),
        *(("made.deep.inner", "moved"), ("made.helper", "other")),
    }
    assert reachable("made.main", "base", package=made) == {
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
        ("main", "print(result)", "print(result, 'grids')"),
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
        ("nearer", "return 7", "return 0"),  # from . import module
        ("deep/inner", "return 8", "return 0"),  # import made.deep.inner
        ("deep/inner", "return other()", "return -other()"),  # from .near import what a package passes on
        ("helper", "return 0", "return 1"),  # from ..helper import
    ],
)
def test_what_changes_the_version(version: Edit, file: str, old: str, new: str) -> None:
    assert version(file, old, new) != version()


def test_a_module_that_is_left_out_does_not_count(version: Edit) -> None:
    left_out = ("made.lazy",)
    assert version("lazy", "return 3", "return 4", left_out) == version(leave_out=left_out) != version()


def test_a_definition_that_is_left_out_does_not_count_but_others_of_its_module_do(version: Edit) -> None:
    left_out = ("made.deep.inner:far",)
    assert version("deep/inner", "return 8", "return 0", left_out) == version(leave_out=left_out) != version()
    assert version("deep/inner", "return other()", "return 1", left_out) != version(leave_out=left_out)


@pytest.mark.parametrize(("name", "leave_out"), [("entyr", ()), ("entry", ("made.main",)), ("describe", ())])
def test_nothing_to_hash_is_a_mistake(made: Package, name: str, leave_out: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=rf"made\.main has no {name}, or it is left out"):
        version_of("made.main", name, leave_out, made)


@pytest.mark.parametrize(
    ("decorator", "same"),
    [("", True), ('@dg.asset(description="other")\n', True), ("@dg.asset\n", True), ("@cache\n", False)],
)
def test_an_asset_decorator_describes_only(tmp_path: Path, decorator: str, same: bool) -> None:
    before = version_of("made.main", "asset", package=write(tmp_path / "made"))
    after = write(tmp_path / "made", "main", '@dg.asset(description="seen in the UI")\n', decorator)
    assert (version_of("made.main", "asset", package=after) == before) == same


# --- this package

ASSETS = {
    "augmented_examples": "arc_pipeline.defs.augmentation",
    "predictions": "arc_pipeline.defs.prediction",
    "metrics": "arc_pipeline.defs.evaluation",
    "failures": "arc_pipeline.defs.inspection",
}


def changed_assets(directory: Path, file: str, old: str, new: str) -> set[str]:
    """The assets whose code version a change of a copy of this package changes."""
    ignored = shutil.ignore_patterns("__pycache__")
    root = shutil.copytree(THIS_PACKAGE.root, directory / THIS_PACKAGE.root.name, ignore=ignored)
    before = {asset: version_of(home, asset, package=Package(root)) for asset, home in ASSETS.items()}
    assert before == {asset: version_of(home, asset) for asset, home in ASSETS.items()}
    text = (root / file).read_text()
    assert text.count(old) == 1
    (root / file).write_text(text.replace(old, new))
    return {asset for asset, home in ASSETS.items() if version_of(home, asset, package=Package(root)) != before[asset]}


DRAW = "def draw_colour_map("


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("arc/augmentation.py", DRAW, f"# a comment\n\n\n{DRAW}\n    ", set()),
        ("arc/augmentation.py", "A uniform permutation of the colours;", "Other words;", set()),
        ("arc/augmentation.py", DRAW, f"def unused() -> None: ...\n\n\n{DRAW}", set()),
        ("defs/evaluation.py", '"correct_pixels", "pass_n"', '"pass_n"', set()),
        ("arc/augmentation.py", "first = 0 if rng", "first = 1 if rng", {"augmented_examples", "predictions"}),
        ("report/gallery.py", "found but outvoted", "outvoted", set()),
        ("arc/metrics.py", "decoded = sum(one.votes", "decoded = 2 * sum(one.votes", {"metrics"}),
    ],
)
def test_what_an_edit_of_this_package_changes(
    tmp_path: Path, file: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed_assets(tmp_path, file, old, new) == expected


def test_functions_for_people_and_pictures_never_count() -> None:
    for asset, home in ASSETS.items():
        reached = reachable(home, asset)
        assert not {name for _, name in reached} & FOR_PEOPLE
        assert not [home for home, _ in reached if home.startswith("arc_pipeline.report")]


def test_rendering_reaches_the_encoders_and_transforms_of_the_package() -> None:
    names = reachable("arc_pipeline.arc.examples", "draw_examples") | reachable(
        "arc_pipeline.arc.prediction", "questions"
    )
    assert ("arc_pipeline.arc.augmentation", "TRANSFORMS") in names
    assert ("arc_pipeline.arc.augmentation", "_flip_rows") in names
    assert ("arc_pipeline.arc.prompt", "solve_prompt") in names
    assert all(name.startswith("arc_pipeline.") for name, _ in names)
