"""The layers point one way, and loading the code location imports no heavy library."""

import ast
import subprocess
import sys
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
    "defs": "errors store machine arc model report bench",
    "definitions": "defs",
    "ui": "errors store machine arc model defs",
    "cli": "errors store machine arc model report bench defs definitions ui",
}
# layer -> the libraries that it may not import
FORBIDDEN = {
    **dict.fromkeys(("__init__", "errors", "uncounted", "store", "machine", "arc"), DAGSTER | HEAVY),
    "model": {"dagster"},
    "bench": DAGSTER,
    "report": {"dagster"} | HEAVY,
    **dict.fromkeys(("defs", "definitions", "ui", "cli"), HEAVY),
}
FILES = {path.relative_to(PACKAGE): path for path in sorted(PACKAGE.rglob("*.py"))}


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


def test_loading_the_code_location_imports_no_torch() -> None:
    code = f"import sys, arc_pipeline.definitions; print(sorted({LAZY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
