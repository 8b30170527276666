"""Code versions: a hash of what a function calls inside this package, found in the source without importing it.

Follows names from definition to definition, also across modules and lazy imports. Comments, docstrings, formatting and
annotations of functions change nothing. Knows nothing of assets.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

Symbol: TypeAlias = tuple[str, str]
# functions that only describe a result, and the layer that only draws it: what they say may change without making the
# result stale
FOR_PEOPLE = frozenset({"describe", "describe_prompts", "progress", "plotted", "markdown_table", "shown_rows"})
PICTURES = "report"


class Module:
    """What one file defines and imports."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        # of each definition, for the code of one asset reaches most of what that of another does
        self._uses: dict[str, list[str]] = {}
        self._versions: dict[str, str] = {}

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The statements that define each name, without what changes nothing."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in _defined_names(statement):
                found.setdefault(name, []).append(_Stripper().visit(statement))
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted name, of the imports that are not inside a definition."""
        return self._imported(*(each for each in self.tree.body if not any(_defined_names(each))))

    def uses(self, name: str) -> list[str]:
        """The dotted names that a definition mentions, as seen from outside this module."""
        if name not in self._uses:
            self._uses[name] = list(dict.fromkeys(self._used(name)))
        return self._uses[name]

    def _used(self, name: str) -> Iterator[str]:
        for definition in self.definitions[name]:
            imports = self.imports | self._imported(definition)
            for written in _dotted_names(definition):
                head, *rest = written.split(".")
                yield ".".join([imports.get(head, f"{self.name}.{head}"), *rest])

    def version(self, name: str) -> str:
        """A hash of a definition."""
        if name not in self._versions:
            # not ast.dump: its text differs between the minor versions of Python
            source = "\n".join(map(ast.unparse, self.definitions[name]))
            self._versions[name] = hashlib.sha256(source.encode()).hexdigest()[:16]
        return self._versions[name]

    def _imported(self, *statements: ast.stmt) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in (node for statement in statements for node in ast.walk(statement)):
            if isinstance(node, ast.ImportFrom):
                source = self._source(node)
                found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                # `import a.b` binds a, `import a.b as c` binds a.b
                names = [(alias.asname, alias.name) for alias in node.names]
                found |= {short or full.split(".")[0]: full if short else full.split(".")[0] for short, full in names}
        return found

    def _source(self, node: ast.ImportFrom) -> str:
        """The module that names are imported from; each dot but the first goes one package up."""
        if not node.level:
            return node.module or ""
        here = [*self.name.split("."), *(["__init__"] if self.path.name == "__init__.py" else [])]
        return ".".join([*here[: -node.level], *([node.module] if node.module else [])])


class Package:
    """The modules below a directory, read once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._modules:
            top, *rest = name.split(".")
            base = self.root.joinpath(*rest)
            paths = (base.with_suffix(".py"), base / "__init__.py") if rest else (base / "__init__.py",)
            path = next((path for path in paths if path.is_file()), None) if top == self.root.name else None
            self._modules[name] = Module(name, path) if path else None
        return self._modules[name]

    def symbol(self, dotted: str) -> Symbol | None:
        """The module and the definition in it that a dotted name means; None if it is of another package."""
        parts = dotted.split(".")
        for end in range(len(parts) - 1, 0, -1):
            if self.module(name := ".".join(parts[:end])):
                return name, parts[end]
        return None


THIS_PACKAGE = Package(Path(__file__).parents[1])


def definition_versions(
    module: str, function: str, leave_out: Iterable[str] = (), package: Package = THIS_PACKAGE
) -> dict[str, str]:
    """`module:name` -> a hash, of every definition that `function` of `module` reaches.

    `leave_out` has what does not count, `module` or `module:name`; pictures and functions FOR_PEOPLE never count.
    """
    reached = reachable(module, function, leave_out, package)
    if (module, function) not in reached:
        raise ValueError(f"{module} has no {function}, or it is left out")
    homes = [(package.module(module), name) for module, name in sorted(reached)]
    return {f"{home.name}:{name}": home.version(name) for home, name in homes if home}


def code_version(definitions: Mapping[str, str]) -> str:
    """SHA-256 over the versions of definitions: the code version of what they make."""
    lines = [f"{name}={version}" for name, version in sorted(definitions.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def changed_definitions(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The definitions that are not the same in both, without the package's name."""
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [name.partition(".")[2].replace(":", " ") for name in names]


def reachable(
    module: str, function: str, leave_out: Iterable[str] = (), package: Package = THIS_PACKAGE
) -> set[Symbol]:
    """All (module, definition) that the function needs, itself included."""
    left_out, seen, reached = frozenset(leave_out), set[Symbol](), set[Symbol]()
    waiting: list[Symbol | None] = [(module, function)]
    while waiting:
        symbol = waiting.pop()
        if symbol is None or symbol in seen or _is_for_people(symbol) or {symbol[0], ":".join(symbol)} & left_out:
            continue
        seen.add(symbol)
        home, name = package.module(symbol[0]), symbol[1]
        if home and name in home.definitions:
            reached.add(symbol)
            waiting += map(package.symbol, home.uses(name))
        elif home and name in home.imports:
            waiting.append(package.symbol(home.imports[name]))
    return reached


def _is_for_people(symbol: Symbol) -> bool:
    return symbol[1] in FOR_PEOPLE or symbol[0].split(".")[1:2] == [PICTURES]


def _defined_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _dotted_names(definition: ast.stmt) -> Iterator[str]:
    """Each name, and each chain of attributes that begins with a name."""
    for node in ast.walk(definition):
        chain: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield ".".join([inner.id, *chain])


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
