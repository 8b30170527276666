"""Code versions follow what a function calls, across modules, and see code only."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_pipeline.store.code_version import THIS_PACKAGE, Package, changed_definitions, code_of, reachable


def version_of(*entry, **options) -> str:
    """The code version of what begins at an entry."""
    return code_of(*entry, **options).version


MAIN = '''
"""A module."""
from made.helper import used, Base
import made.constants as constants
from .near import close
from . import nearer
from made.uncounted import uncounted
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


@uncounted("for people")
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
        return self._hidden()

    def _hidden(self):
        return other()
"""
FILES = {
    "__init__": "",
    "uncounted": "def uncounted(because, of=()):\n    return lambda definition: definition\n",
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

    def edited(file: str = "main", old: str = "", new: str = "", asset: str = "") -> str:
        return version_of("made.main", "entry", asset, write(tmp_path / "made", file, old, new))

    return edited


def test_what_is_reached(made: Package) -> None:
    assert reachable("made.main", "entry", package=made).keys() == {
        *(("made.main", "entry"), ("made.main", "TABLE"), ("made.helper", "used"), ("made.helper", "_inner")),
        *(("made.lazy", "late"), ("made.constants", "LIMIT"), ("made.nearer", "closest"), ("made.deep.inner", "far")),
        *(("made.deep.inner", "moved"), ("made.helper", "other")),
    }
    assert reachable("made.main", "base", package=made).keys() == {
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


MARK = "from made.uncounted import uncounted\n"


LATE, CONSTANT, INNER = "def late():\n    return 3", "LIMIT = 5", "def moved():\n    return other()"


@pytest.mark.parametrize(
    ("file", "old", "marked", "edit"),
    [
        ("lazy", LATE, f'{MARK}uncounted("a module")\n{LATE}', ("return 3", "return 4")),
        ("lazy", LATE, f'{MARK}@uncounted("a function")\n{LATE}', ("return 3", "return 4")),
        ("constants", CONSTANT, f'{MARK}LIMIT = uncounted("a constant")(5)', ("(5)", "(6)")),
        ("deep/inner", INNER, f'{MARK}@uncounted("passed on by a package")\n{INNER}', ("other()", "1")),
    ],
)
def test_what_is_marked_does_not_count(version: Edit, file: str, old: str, marked: str, edit: tuple[str, str]) -> None:
    assert version(file, old, marked) == version(file, old, marked.replace(*edit)) != version()


def test_the_mark_of_a_package_covers_its_modules(version: Edit) -> None:
    marked = f'{MARK}uncounted("a package")\nfrom .inner import moved'
    assert version("deep/__init__", "from .inner import moved", marked) != version()


def test_a_mark_may_speak_of_some_assets_only(version: Edit) -> None:
    marked = f'{MARK}uncounted("why", of=("one",))\ndef late'
    edited = f"{marked}(): return 4\ndef unused"
    assert version("lazy", "def late", marked, asset="one") == version("lazy", "def late", edited, asset="one")
    assert version("lazy", "def late", marked, asset="other") != version("lazy", "def late", edited, asset="other")
    assert version("lazy", "def late", marked, asset="other") == version()


@pytest.mark.parametrize("name", ["entyr", "describe"])
def test_nothing_to_hash_is_a_mistake(made: Package, name: str) -> None:
    with pytest.raises(ValueError, match=rf"made\.main has no {name}, or it is marked"):
        version_of("made.main", name, package=made)


# what a person does to code without changing it: (file, old text, new text) edits, then new files
REFACTORINGS = {
    "a private function is renamed": ([("helper", "_inner", "_innermost")], {}),
    "a public function is renamed": (
        [
            ("helper", "used", "applied"),
            ("main", "import used, Base", "import applied, Base"),
            ("main", "used}", "applied}"),
        ],
        {},
    ),
    "a constant is renamed": ([("constants", "LIMIT", "MOST"), ("main", "constants.LIMIT", "constants.MOST")], {}),
    "a private method is renamed": ([("helper", "_hidden", "_secret")], {}),
    "a module is renamed": (
        [("main", "made.helper", "made.other"), ("deep/inner", "..helper", "..other")],
        {"other": HELPER},
    ),
    "a file is split": (
        [
            ("helper", "def _inner(x):\n    return x\n", ""),
            ("helper", "\ndef used", "from made.inside import _inner\n\ndef used"),
        ],
        {"inside": "def _inner(x):\n    return x\n"},
    ),
    "an import moves into a function": (
        [("main", "import json\n\n", "\n"), ("main", "    result = TABLE", "    import json\n    result = TABLE")],
        {},
    ),
    "another import style": (
        [("main", "import json\n", "from json import loads\n"), ("main", "json.loads", "loads")],
        {},
    ),
    "a parameter gets an annotation": ([("helper", "def used(x):", "def used(x: int) -> int:")], {}),
}


@pytest.mark.parametrize("refactoring", REFACTORINGS)
def test_a_refactoring_changes_nothing(tmp_path: Path, refactoring: str) -> None:
    edits, files = REFACTORINGS[refactoring]
    before, root = write(tmp_path / "made"), tmp_path / "again" / "made"
    write(root)
    for file, old, new in edits:
        path = root / f"{file}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    for file, text in files.items():
        (root / f"{file}.py").write_text(text)
    for entry in ("entry", "base"):
        old_code, new_code = (code_of("made.main", entry, package=each) for each in (before, Package(root)))
        assert new_code.version == old_code.version
        assert changed_definitions(old_code.definitions, new_code.definitions) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("helper", "return x", "return -x", ["helper _inner"]),
        ("constants", "LIMIT = 5", "LIMIT = 6", ["constants LIMIT"]),
        ("main", '"a": used', '"a": other', ["helper _inner", "helper used", "main TABLE"]),
        ("main", "late() +", "", ["lazy late", "main entry"]),
        ("nearer", "return 7", "return far()\nfrom made.deep.inner import far", ["nearer closest"]),
    ],
)
def test_what_changed_is_named(tmp_path: Path, file: str, old: str, new: str, named: list[str]) -> None:
    before = code_of("made.main", "entry", package=write(tmp_path / "made"))
    package = write(tmp_path / "made", file, old, new)
    if "other}" in (package.root / "main.py").read_text():
        (package.root / "main.py").write_text(
            "from made.helper import other\n" + (package.root / "main.py").read_text()
        )
    after = code_of("made.main", "entry", package=Package(package.root))
    assert after.version != before.version
    assert changed_definitions(before.definitions, after.definitions) == named


TWINS = """
class A(Exception):
    pass


class B(Exception):
    pass


EMPTY, ALSO_EMPTY = object(), object()


def apply(first, second):
    return first is second


def fail():
    raise A


def entry():
    try:
        return apply(EMPTY, EMPTY) or fail()
    except A:
        return entry.__name__, apply.__name__
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("raise A", "raise B", False),
        ("except A", "except B", False),
        ("apply(EMPTY, EMPTY)", "apply(EMPTY, ALSO_EMPTY)", False),
        ("apply.__name__", "fail.__name__", False),
        ("def apply(", "def applied(", False),  # its name is read
        ("apply", "applied", False),
        ("def fail", "def give_up", True),
        ("class A", "class Z", True),
    ],
)
def test_what_is_equal_is_told_apart_by_its_use(tmp_path: Path, old: str, new: str, same: bool) -> None:
    versions = set()
    edits = {"def applied(": "apply(", "def give_up": "fail()", "class Z": " A"}
    for number in range(2):
        text = TWINS.replace(old, new) if number else TWINS
        if number and new in edits:
            text = text.replace(edits[new], {"apply(": "applied(", "fail()": "give_up()", " A": " Z"}[edits[new]])
        root = tmp_path / str(number) / "made"
        write(root)
        (root / "main.py").write_text(text)
        versions.add(version_of("made.main", "entry", package=Package(root)))
    assert (len(versions) == 1) == same


def test_a_local_variable_of_the_same_name_is_no_reference(tmp_path: Path) -> None:
    texts = ["def other():\n    return 1\n\ndef entry(other):\n    return [other for late in other]\n"]
    texts.append(texts[0].replace("return 1", "return 2"))
    versions = set()
    for number, text in enumerate(texts):
        root = tmp_path / str(number) / "made"
        write(root)
        (root / "main.py").write_text(text)
        versions.add(version_of("made.main", "entry", package=Package(root)))
    assert len(versions) == 1


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
    "augmented_examples": "arc_pipeline.defs.assets.augmentation",
    "predictions": "arc_pipeline.defs.assets.prediction",
    "metrics": "arc_pipeline.defs.assets.evaluation",
    "failures": "arc_pipeline.defs.assets.inspection",
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
        ("arc/augmentation/augmentation.py", DRAW, f"# a comment\n\n\n{DRAW}\n    ", set()),
        ("arc/augmentation/augmentation.py", "A uniform permutation of the colours;", "Other words;", set()),
        ("arc/augmentation/augmentation.py", DRAW, f"def unused() -> None: ...\n\n\n{DRAW}", set()),
        ("defs/assets/evaluation.py", '"correct_pixels", "pass_n"', '"pass_n"', set()),
        ("arc/evaluation/metrics.py", "Grids of the right shape,", "Other words,", set()),
        (
            "arc/augmentation/augmentation.py",
            "first = 0 if rng",
            "first = 1 if rng",
            {"augmented_examples", "predictions"},
        ),
        ("report/grids/gallery.py", "found but outvoted", "outvoted", set()),
        ("arc/evaluation/metric_tables.py", 'decoded": sum(votes', 'decoded": 2 * sum(votes', {"metrics"}),
    ],
)
def test_what_an_edit_of_this_package_changes(
    tmp_path: Path, file: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed_assets(tmp_path, file, old, new) == expected


def test_functions_for_people_and_pictures_never_count() -> None:
    for asset, home in ASSETS.items():
        reached = reachable(home, asset, asset)
        for_people = {"describe", "shown_failures", "shown_prompts", "plotted", "outcome_counts", "markdown_table"}
        assert not {name for _, name in reached} & for_people
        assert not [home for home, _ in reached if home.startswith("arc_pipeline.report")]


def test_rendering_reaches_the_encoders_and_transforms_of_the_package() -> None:
    names = {
        *reachable("arc_pipeline.arc.augmentation.recipes", "draw_examples"),
        *reachable("arc_pipeline.arc.prediction.requests", "candidate_requests"),
    }
    assert ("arc_pipeline.arc.augmentation.augmentation", "TRANSFORMS") in names
    assert ("arc_pipeline.arc.augmentation.augmentation", "_flip_rows") in names
    assert ("arc_pipeline.arc.rendering.prompt", "solve_prompt") in names
    assert all(name.startswith("arc_pipeline.") for name, _ in names)
