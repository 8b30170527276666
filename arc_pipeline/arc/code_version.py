"""Code versions: a hash of what a function calls inside this package, found in the source without importing it.

Follows names from definition to definition, also across modules and lazy imports. Comments, docstrings, formatting and
annotations of functions change nothing. Knows nothing of assets.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

PACKAGE = "arc_pipeline"
Symbol: TypeAlias = tuple[str, str]


def code_version(module: str, function: str, leave_out: Iterable[str] = ()) -> str:
    """SHA-256 over the normalized definitions that `function` of `module` reaches, but for the modules left out."""
    reached = reachable(module, function, frozenset(leave_out))
    lines = [f"{name}:{symbol}:{_normalized(name, symbol)}" for name, symbol in sorted(reached)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def reachable(module: str, function: str, leave_out: frozenset[str] = frozenset()) -> set[Symbol]:
    """All (module, definition) that the function needs, itself included."""
    reached: set[Symbol] = set()
    waiting = [(module, function)]
    while waiting:
        symbol = waiting.pop()
        if symbol in reached or symbol[0] in leave_out or symbol[1] not in _definitions(symbol[0]):
            continue
        reached.add(symbol)
        waiting.extend(_references(*symbol))
    return reached


def _references(module: str, name: str) -> Iterator[Symbol]:
    imports = _imports(module)
    for definition in _definitions(module)[name]:
        local = dict(imports)
        local.update(_import_targets(definition, module))
        for node in ast.walk(_stripped(definition)):
            if isinstance(node, ast.Name):
                yield from _resolve(module, node.id, local)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                target = local.get(node.value.id)
                if target and _is_module(".".join(filter(None, target))):
                    yield ".".join(filter(None, target)), node.attr


def _resolve(module: str, name: str, imports: dict[str, Symbol]) -> Iterator[Symbol]:
    if name in imports:
        target = imports[name]
        yield target
    else:
        yield module, name


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    return ast.parse(path.read_text()) if path else ast.Module([], [])


def _path(module: str) -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or module.split(".")[0] != PACKAGE:
        return None
    base = Path(spec.origin).parent.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _is_module(name: str) -> bool:
    return _path(name) is not None


@cache
def _definitions(module: str) -> dict[str, list[ast.stmt]]:
    """The statements of a module that define each name."""
    found: dict[str, list[ast.stmt]] = {}
    for statement in _tree(module).body:
        for name in _defined_names(statement):
            found.setdefault(name, []).append(statement)
    return found


def _defined_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


@cache
def _imports(module: str) -> dict[str, Symbol]:
    found: dict[str, Symbol] = {}
    for statement in _tree(module).body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            found.update(_import_targets(statement, module))
    return found


def _import_targets(statement: ast.AST, module: str) -> dict[str, Symbol]:
    """Local name -> (module, definition) of the package's own imports in a statement; definition '' is a module."""
    found: dict[str, Symbol] = {}
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname and alias.name.split(".")[0] == PACKAGE:
                    found[alias.asname] = (alias.name, "")
    return found


def _normalized(module: str, name: str) -> str:
    return "".join(ast.dump(_stripped(statement)) for statement in _definitions(module)[name])


class _Stripper(ast.NodeTransformer):
    """Drops docstrings, annotations of functions, and decorators that only describe an asset."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns, node.body = None, _without_docstring(node.body)
        node.decorator_list = [each for each in node.decorator_list if not _is_asset(each)]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = _without_docstring(node.body)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def _is_asset(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr == "asset"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _stripped(statement: ast.stmt) -> ast.stmt:
    copied = ast.parse(ast.unparse(statement)).body[0]
    stripped: ast.stmt = _Stripper().visit(copied)
    return stripped
