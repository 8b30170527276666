"""A definition without what changes nothing: names, imports, comments, docstrings, annotations of functions, marks.

What it uses of its package becomes a list of references, so that its shape does not tell what those are called. Knows
syntax, not files. It sees functions, classes and assignments at the top of a module, so counted code has nothing else
there that matters: no definition inside `if` or `try`, no registry that is filled by calls (tested).
"""

import ast
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

# (dotted name of a module, name of a definition in it)
Symbol: TypeAlias = tuple[str, str]

# in the normalized text: the definition itself, another name of the same statement, and a definition of the package
SELF, SIBLING, REFERENCE = "@self", "@sibling", "@reference"
HASH_DIGITS = 16
NAMES = frozenset({"__name__", "__qualname__"})
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler)


@dataclass(frozen=True)
class Definition:
    """The hash of a definition's normal form; `references` are the package's definitions that it uses, in order."""

    shape: str
    references: tuple[Symbol, ...]


@dataclass(frozen=True)
class Known:
    """What is known around a definition.

    `imports`: what local names mean, as dotted names; `resolve` finds the definition that a dotted name means, and the
    attributes after it; `is_mark` knows the calls that say what does not count; `bases`: classes that others are of.
    """

    module: str
    imports: Mapping[str, str]
    resolve: Callable[[str], tuple[Symbol, list[str]] | None]
    is_mark: Callable[[ast.expr], bool]
    bases: frozenset[str]


def normal_form(name: str, statements: Sequence[ast.stmt], known: Known) -> Definition:
    """The definition of a name; changes the statements unless they define other names too."""
    return _Normalizer(name, statements, known).definition()


def text_hash(*texts: str) -> str:
    """The beginning of a SHA-256."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:HASH_DIGITS]


def defined_names(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (name for target in targets for name in _stored(target))


def _is_shared(statement: ast.stmt) -> bool:
    return sum(1 for _ in defined_names(statement)) > 1


class _Normalizer(ast.NodeTransformer):
    """Makes a definition independent of names: references become marks, their targets a list."""

    def __init__(self, name: str, statements: Sequence[ast.stmt], known: Known) -> None:
        self._name, self._known = name, known
        # those that define several names are changed in a copy
        self._statements = [copy.deepcopy(each) if _is_shared(each) else each for each in statements]
        self._scopes: list[frozenset[str]] = []
        self._references: list[Symbol] = []
        self._methods: dict[str, str] = {}

    def definition(self) -> Definition:
        """The statements as one text."""
        # not ast.dump: its text differs between the minor versions of Python
        text = "\n".join(ast.unparse(self._top(statement)) for statement in self._statements)
        return Definition(text_hash(text), tuple(self._references))

    def _top(self, statement: ast.stmt) -> Any:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if isinstance(statement, ast.ClassDef) and not statement.bases and self._name not in self._known.bases:
                self._methods = {name: f"@method{place}" for place, name in enumerate(_private_methods(statement))}
            normal = self.visit(statement)
            normal.name = SELF
            return normal
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            statement = ast.Assign([statement.target], statement.value, lineno=0)
        for node in ast.walk(ast.Module(_targets(statement), [])):
            if isinstance(node, ast.Name):
                node.id = SELF if node.id == self._name else SIBLING
        if isinstance(statement, (ast.Assign, ast.AugAssign)):
            statement.value = self.visit(self._unwrapped(statement.value))
        return statement

    def _unwrapped(self, value: ast.expr) -> ast.expr:
        marked = isinstance(value, ast.Call) and self._known.is_mark(value.func)
        return value.args[0] if isinstance(value, ast.Call) and marked else value

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list if not self._only_describes(each)]
        node.args = self.visit(node.args)
        node.returns = None
        with self._scope(_bound(node)):
            node.body = self._body(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        node.decorator_list = [self.visit(each) for each in node.decorator_list if not self._only_describes(each)]
        own, body = _bound(node), []
        for statement in _without_docstring(node.body):
            if isinstance(statement, ast.FunctionDef):  # names of a class are not seen from its methods
                if not any(map(self._known.is_mark, statement.decorator_list)):
                    body.append(self.visit(statement))
                    statement.name = self._methods.get(statement.name, statement.name)
            else:
                with self._scope(own):
                    body.append(self._field(statement))
        node.body = body or [ast.Pass()]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args = self.visit(node.args)
        with self._scope(_arguments(node.args)):
            node.body = self.visit(node.body)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """As ever; what a comprehension binds means nothing outside of it, and no block is left empty."""
        generators: list[ast.comprehension] = getattr(node, "generators", [])
        with self._scope(frozenset(name for each in generators for name in _stored(each.target))):
            visited = super().generic_visit(node)
        if isinstance(visited, BLOCKS) and not visited.body:
            visited.body = [ast.Pass()]
        return visited

    def _field(self, statement: ast.stmt) -> Any:
        """A statement of a class: what annotates its fields may matter (dataclasses, pydantic)."""
        if not isinstance(statement, ast.AnnAssign):
            return self.visit(statement)
        if isinstance(statement.annotation, ast.Constant) and isinstance(statement.annotation.value, str):
            statement.annotation = ast.parse(statement.annotation.value, mode="eval").body
        return self.generic_visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """A variable's annotation says nothing at run time."""
        return ast.Assign([self.visit(node.target)], self.visit(node.value), lineno=0) if node.value else None

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._reference(node, node.id, [])

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id not in {"self", "cls"}:
            return self._reference(node, inner.id, chain)
        if isinstance(inner, ast.Name) and isinstance(node.value, ast.Name):
            node.attr = self._methods.get(node.attr, node.attr)
        return self.generic_visit(node)

    def _reference(self, node: ast.expr, head: str, rest: list[str]) -> ast.expr:
        if any(head in scope for scope in self._scopes):
            return node
        imported = self._known.imports.get(head)
        found = self._known.resolve(".".join([imported or f"{self._known.module}.{head}", *rest]))
        if not found:
            return _chain(imported or head, rest)
        symbol, attributes = found
        if symbol == (self._known.module, self._name):
            return _chain(SELF, [f"{name} {symbol[1]}" if name in NAMES else name for name in attributes])
        self._references.append(symbol)
        # a name that is read as a value, as names of checks may be, counts
        return _chain(REFERENCE, [f"{name} {symbol[1]}" if name in NAMES else name for name in attributes])

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def _only_describes(self, decorator: ast.expr) -> bool:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        is_asset = isinstance(call, ast.Attribute) and call.attr == "asset"
        return is_asset or self._known.is_mark(decorator)

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        visited = [self.visit(each) for each in _without_docstring(body)]
        return [each for each in visited if each is not None] or [ast.Pass()]

    @contextmanager
    def _scope(self, names: frozenset[str]) -> Iterator[None]:
        """Names that are bound here mean no definition of the module."""
        self._scopes.append(names - self._known.imports.keys())
        try:
            yield
        finally:
            self._scopes.pop()


def _chain(head: str, attributes: Iterable[str]) -> ast.expr:
    node: ast.expr = ast.Name(head, ast.Load())
    for each in attributes:
        node = ast.Attribute(node, each, ast.Load())
    return node


def _targets(statement: ast.stmt) -> list[ast.stmt]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]  # type: ignore[attr-defined]
    return [ast.Expr(each) for each in targets]


def _private_methods(node: ast.ClassDef) -> list[str]:
    names = dict.fromkeys(each.name for each in node.body if isinstance(each, ast.FunctionDef))
    return [name for name in names if name.startswith("_") and not name.endswith("__")]


def _arguments(arguments: ast.arguments) -> frozenset[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return frozenset(each.arg for each in every if each)


def _bound(node: ast.FunctionDef | ast.ClassDef) -> frozenset[str]:
    """The names that a function or the body of a class binds, those of inner functions left out."""
    names: set[str] = set(_arguments(node.args)) if isinstance(node, ast.FunctionDef) else set()
    elsewhere: set[str] = set()
    waiting: list[ast.AST] = [*node.body]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(each.name)
        elif isinstance(each, (ast.Global, ast.Nonlocal)):
            elsewhere |= {*each.names}
        elif isinstance(each, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            names |= {inner.target.id for inner in ast.walk(each) if isinstance(inner, ast.NamedExpr)}
        else:
            names |= _binds(each)
            waiting += ast.iter_child_nodes(each)
    return frozenset(names - elsewhere)


def _binds(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    bound = (getattr(node, "name", None),) if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) else ()
    return {name for name in bound if name}


def _stored(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body
