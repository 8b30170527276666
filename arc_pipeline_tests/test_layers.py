"""The layers point one way, and loading the code location imports no heavy library."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import arc_pipeline

PACKAGE = Path(arc_pipeline.__file__).parent
HEAVY = {"torch", "transformers", "peft", "accelerate"}
LAZY = HEAVY | {"matplotlib", "pandas"}
DAGSTER = {"dagster", "dagster_pipes"}
# layer -> the layers that it may import
BELOW = {
    "__init__": "",
    "errors": "",
    "uncounted": "",
    "store": "errors",
    "machine": "errors",
    "arc": "errors store machine",
    "model": "errors store machine arc",
    "report": "errors store machine arc",
    "bench": "errors store machine arc model",
    "defs": "errors store machine arc model report bench project",
    "project": "errors store machine arc",
    "api": "errors store machine arc model project",
    "definitions": "defs project",
    "ui": "errors store machine arc model defs project",
    "cli": "errors store machine arc model report bench project api defs definitions ui",
}
# layer -> the libraries that it may not import
FORBIDDEN = {
    **dict.fromkeys(("__init__", "errors", "uncounted", "store", "machine", "arc", "project", "api"), DAGSTER | HEAVY),
    "model": {"dagster"},
    "bench": DAGSTER,
    "report": {"dagster"} | HEAVY,
    **dict.fromkeys(("defs", "definitions", "ui", "cli"), HEAVY),
}
# packages whose subfolders count as folders of their own
DIVIDED = ("arc", "defs", "model", "report")
FILES = {path.relative_to(PACKAGE): path for path in sorted(PACKAGE.rglob("*.py"))}
NAMES = {f"arc_pipeline.{'.'.join(name.with_suffix('').parts)}": name for name in FILES}


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", FILES, ids=str)
def test_a_layer_imports_only_what_lies_below_it(name: Path) -> None:
    layer = name.parts[0].removesuffix(".py")
    roots = {each.split(".")[0] for each in imported(FILES[name])}
    layers = {each.split(".")[1] for each in imported(FILES[name]) if each.startswith("arc_pipeline.")}
    assert not roots & FORBIDDEN[layer]
    assert layers <= {layer, "uncounted", *BELOW[layer].split()}


def test_no_file_imports_itself_through_others() -> None:
    TopologicalSorter({name: modules(FILES[path]) & NAMES.keys() for name, path in NAMES.items()}).prepare()


def test_no_layer_imports_itself_through_others() -> None:
    TopologicalSorter({layer: below.split() for layer, below in BELOW.items()}).prepare()


def test_no_folder_imports_itself_through_others() -> None:
    """Folders are the packages, and the subfolders of divided ones.

    Modules that lie directly in arc/ and report/ are left out: a package's own modules and its subfolders are one room.
    Those of defs/ count as a folder, which its subfolders import and which imports none of them.
    """
    needs: dict[str, set[str]] = {}
    for name, path in FILES.items():
        needed = {folder(NAMES[module]) for module in modules(path) & NAMES.keys()}
        needs.setdefault(folder(name), set()).update(needed - {folder(name)})
    del needs[""]
    TopologicalSorter({name: needed - {""} for name, needed in needs.items()}).prepare()


def folder(name: Path) -> str:
    """Where a file lies, empty if it is left out."""
    package = name.parts[0].removesuffix(".py")
    if package not in DIVIDED or (package == "defs" and len(name.parts) == 2):
        return package
    return "/".join(name.parts[:2]) if len(name.parts) > 2 else ""


def modules(path: Path) -> set[str]:
    """What a file imports, of a name `a.b.c` that it imports from a module `a.b` also `a.b.c`."""
    froms = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return imported(path) | {f"{node.module}.{alias.name}" for node in froms for alias in node.names}


def test_loading_the_code_location_imports_no_torch() -> None:
    code = f"import sys, arc_pipeline.definitions; print(sorted({LAZY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_any_module_reads_no_file_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("{ broken")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "broken.yaml").write_text("{ broken")
    names = [f"arc_pipeline.{name.with_suffix('').as_posix().replace('/', '.')}" for name in FILES]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    environment = os.environ | {"ARC_PIPELINE_DATA": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()
