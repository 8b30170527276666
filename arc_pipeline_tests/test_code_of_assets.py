"""An edit in a module changes the code version of exactly the assets that use what was edited."""

import ast
import shutil
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline.arc.code_version import Package, code_version, definition_versions
from arc_pipeline.definitions import defs  # noqa: F401  (fills CODE)
from arc_pipeline.defs.code import CODE, ENTRIES

SOURCE = Path(arc_pipeline.__file__).parent
TASKS = {"tasks"}
EXAMPLES = {"augmented_examples"}
TRAINED = {"checkpoint"}
PREDICTED = {"predictions"}
SAMPLED = {"prompt_samples"}
# module: the assets that change when every function of it does something else
USED_BY = {
    "arc/augmentation.py": EXAMPLES | PREDICTED | SAMPLED | {"contamination"},
    "arc/bootstrap.py": {"metrics"},
    "arc/checks.py": EXAMPLES,
    "arc/contamination.py": {"contamination"},
    "arc/failures.py": {"failures"},
    # "the ten shortest tasks" counts tokens of prompts
    "arc/prompt.py": EXAMPLES | PREDICTED | SAMPLED | {"arc_source", "tasks"},
    "arc/prompt_samples.py": SAMPLED,
    "arc/score.py": set(),
    "arc/trace.py": set(),
    "model/generation.py": PREDICTED,
    "model/training.py": TRAINED,
    "model/launcher.py": set(),
}


class Edit(ast.NodeTransformer):
    """Puts a statement without effect into every function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body.append(ast.parse("edited = 1").body[0])
        return node


def versions(package: Package) -> dict[str, str]:
    """The code version of every asset, in a copy of the package."""
    return {asset: code_version(definition_versions(*entry, package)) for asset, entry in ENTRIES.items()}


@pytest.fixture(scope="module")
def original() -> dict[str, str]:
    return versions(Package(SOURCE))


@pytest.mark.parametrize("module", [name for name in USED_BY if (SOURCE / name).is_file()])
def test_exactly_the_assets_that_use_a_module_change(module: str, tmp_path: Path, original) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    tree = Edit().visit(ast.parse((copy / module).read_text()))
    (copy / module).write_text(ast.unparse(ast.fix_missing_locations(tree)))
    changed = {asset for asset, version in versions(Package(copy)).items() if version != original[asset]}
    assert changed == USED_BY[module]


def test_comments_and_docstrings_change_nothing(tmp_path: Path, original) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        # parsing and printing drops comments and formatting
        path.write_text("# a comment\n" + ast.unparse(ast.parse(path.read_text())))
    assert versions(Package(copy)) == original
    assert {asset: code_version(found) for asset, found in CODE.items()} == original
