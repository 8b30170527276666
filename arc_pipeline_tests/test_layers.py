"""The layers point one way, and loading the code location imports no heavy library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import arc_pipeline

PACKAGE = Path(arc_pipeline.__file__).parent
HEAVY = {"torch", "transformers", "peft", "accelerate"}
LAZY = HEAVY | {"matplotlib"}
FORBIDDEN = {
    "arc": {
        "dagster",
        "dagster_pipes",
        *HEAVY,
        *(f"arc_pipeline.{each}" for each in ("model", "bench", "report", "defs")),
    },
    "model": {"dagster", *(f"arc_pipeline.{each}" for each in ("bench", "report", "defs"))},
    "bench": {"dagster", "dagster_pipes", *(f"arc_pipeline.{each}" for each in ("report", "defs"))},
    "report": {"dagster", *HEAVY, *(f"arc_pipeline.{each}" for each in ("model", "bench", "defs"))},
    "defs": {"arc_pipeline.ui", *HEAVY},
    "ui": {"arc_pipeline.bench", "arc_pipeline.report", *HEAVY},
}


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_layer_imports_only_what_lies_below_it(path: Path) -> None:
    forbidden = FORBIDDEN[path.parent.name]
    wrong = [name for name in imported(path) if any(name == each or name.startswith(f"{each}.") for each in forbidden)]
    assert not wrong


def test_loading_the_code_location_imports_no_torch() -> None:
    code = f"import sys, arc_pipeline.definitions; print(sorted({LAZY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
