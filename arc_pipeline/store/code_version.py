"""Code versions: a hash of what a function reaches inside this package, read from the source without importing it.

Definitions count by content, not by where they stand or what they are called: moving a module, splitting a file or
renaming a function changes nothing; nor do comments, docstrings, formatting, imports and annotations. Knows no assets.
"""

import ast
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from arc_pipeline.uncounted import uncounted

Symbol: TypeAlias = tuple[str, str]
# in the normalized text of a definition: itself, another name of the same statement, and a definition of the package
SELF, SIBLING, REFERENCE = "@self", "@sibling", "@reference"
HASH_DIGITS, REFERENCE_DIGITS = 16, 8
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler)


@dataclass(frozen=True)
class Mark:
    """What `uncounted` says, as read from the source; `of` is empty for all assets."""

    of: frozenset[str]

    def covers(self, asset: str) -> bool:
        """Whether code of this asset does not count here."""
        return not self.of or asset in self.of


@dataclass(frozen=True)
class Definition:
    """A definition without what changes nothing; `references` are the package's definitions that it uses, in order."""

    shape: str
    references: tuple[Symbol, ...]


@dataclass(frozen=True)
class Code:
    """The code of an asset: its version, and for people each definition: name -> its hash, then those it uses."""

    version: str
    definitions: dict[str, str]


class Module:
    """What one file defines and imports."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self._read: dict[str, Definition] = {}

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def statements(self) -> dict[str, list[ast.stmt]]:
        """The statements that define each name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in _defined_names(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted name, of the imports that are not inside a definition."""
        return self.imported(*(each for each in self.tree.body if not any(_defined_names(each))))

    @cached_property
    def mark(self) -> Mark | None:
        """What a statement of its own says of the whole module."""
        calls = (each.value for each in self.tree.body if isinstance(each, ast.Expr))
        return next(filter(None, map(self.mark_of, calls)), None)

    @cached_property
    def marks(self) -> dict[str, list[Mark]]:
        """What the decorators of each definition say, or the wrapper of its value."""
        return {
            name: list(filter(None, map(self.mark_of, _wrappers(statements))))
            for name, statements in self.statements.items()
        }

    def mark_of(self, node: ast.expr) -> Mark | None:
        """What a call says if it is one of `uncounted`."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return None
        if self.imports.get(node.func.id, "").rpartition(".")[2] != uncounted.__name__:
            return None
        given = [*node.args[1:], *(each.value for each in node.keywords if each.arg == "of")]
        return Mark(frozenset(ast.literal_eval(given[0]) if given else ()))

    def definition(self, name: str, package: "Package") -> Definition:
        """The normalized definition of a name."""
        if name not in self._read:
            self._read[name] = _Normalizer(self, name, package).definition()
        return self._read[name]

    def imported(self, *statements: ast.stmt) -> dict[str, str]:
        """Local name -> dotted name, of all imports in some statements."""
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
        """The module of that dotted name, None if this package has none."""
        if name not in self._modules:
            top, *rest = name.split(".")
            base = self.root.joinpath(*rest)
            paths = (base.with_suffix(".py"), base / "__init__.py") if rest else (base / "__init__.py",)
            path = next((path for path in paths if path.is_file()), None) if top == self.root.name else None
            self._modules[name] = Module(name, path) if path else None
        return self._modules[name]

    def resolve(self, dotted: str) -> tuple[Symbol, list[str]] | None:
        """(module and definition that a dotted name means, the attributes after it), through what modules import."""
        parts = dotted.split(".")
        for end in range(len(parts) - 1, 0, -1):
            if module := self.module(".".join(parts[:end])):
                name, rest = parts[end], parts[end + 1 :]
                if name in module.statements:
                    return (module.name, name), rest
                further = module.imports.get(name)
                return self.resolve(".".join([further, *rest])) if further else None
        return None

    def is_counted(self, symbol: Symbol, asset: str) -> bool:
        """Whether a definition is code of an asset; marks of its module and of the packages around it count too."""
        parts = symbol[0].split(".")
        around = (self.module(".".join(parts[:end])) for end in range(1, len(parts) + 1))
        marks = [module.mark for module in around if module and module.mark]
        home = self.module(symbol[0])
        marks += home.marks.get(symbol[1], []) if home else []
        return not any(mark.covers(asset) for mark in marks)

    @cached_property
    def bases(self) -> frozenset[str]:
        """The names of all classes that another one is made of, in any file."""
        texts = (path.read_text(encoding="utf-8") for path in self.root.rglob("*.py"))
        written = (match for text in texts for match in re.findall(r"^ *class \w+\(([^)]*)\)", text, re.MULTILINE))
        return frozenset(name for bases in written for name in re.findall(r"\w+", bases))


THIS_PACKAGE = Package(Path(__file__).parents[1])


def code_of(module: str, function: str, asset: str = "", package: Package = THIS_PACKAGE) -> Code:
    """The code of what `function` of `module` makes. `asset` is its name where marks speak of some assets only."""
    entry = (module, function)
    found = reachable(module, function, asset, package)
    if entry not in found:
        raise ValueError(f"{module} has no {function}, or it is marked as uncounted")
    return Code(_version(entry, found), {_short(symbol): _listed(found, symbol) for symbol in sorted(found)})


def reachable(module: str, function: str, asset: str = "", package: Package = THIS_PACKAGE) -> dict[Symbol, Definition]:
    """All definitions that the function needs, itself included, by where they stand."""
    found: dict[Symbol, Definition] = {}
    waiting = [(module, function)]
    while waiting:
        symbol = waiting.pop()
        home = package.module(symbol[0])
        if symbol in found or not home or symbol[1] not in home.statements or not package.is_counted(symbol, asset):
            continue
        found[symbol] = home.definition(symbol[1], package)
        waiting += found[symbol].references
    return found


def _version(entry: Symbol, found: Mapping[Symbol, Definition]) -> str:
    """SHA-256 over the definitions and how they use each other, whatever they are called.

    Each is labelled by its shape, then again and again by its label and those that it uses, until that tells no more
    of them apart (colour refinement: doi:10.1016/j.disopt.2007.08.001).
    """
    labels = {symbol: each.shape for symbol, each in found.items()}
    while True:
        finer = {
            symbol: _hash(labels[symbol], *(labels.get(used, "uncounted") for used in each.references))
            for symbol, each in found.items()
        }
        if len({*finer.values()}) == len({*labels.values()}):
            return hashlib.sha256("\n".join([finer[entry], *sorted({*finer.values()})]).encode()).hexdigest()
        labels = finer


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:HASH_DIGITS]


def _short(symbol: Symbol) -> str:
    return f"{symbol[0].partition('.')[2]}:{symbol[1]}"


def _listed(found: Mapping[Symbol, Definition], symbol: Symbol) -> str:
    used = (found[each].shape[:REFERENCE_DIGITS] for each in found[symbol].references if each in found)
    return " ".join([found[symbol].shape, *used])


def changed_definitions(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The definitions that are not the same in two listings; one that only moved or was renamed is the same."""
    changed = {name for name in old.keys() & new.keys() if _shape(old[name]) != _shape(new[name])}
    changed |= _unmatched(old, new) | _unmatched(new, old)
    rewired = {name for name in (old.keys() & new.keys()) - changed if _is_rewired(name, old, new)}
    return sorted(name.replace(":", " ") for name in changed | rewired)


def _shape(listed: str) -> str:
    return listed.partition(" ")[0]


def _unmatched(names: Mapping[str, str], others: Mapping[str, str]) -> set[str]:
    """The names that only the first listing has, but for those of which the other has a copy under another name."""
    copies = Counter(_shape(others[name]) for name in others.keys() - names.keys())
    alone = set()
    for name in sorted(names.keys() - others.keys()):
        shape = _shape(names[name])
        copies[shape] -= 1
        if copies[shape] < 0:
            alone.add(name)
    return alone


def _is_rewired(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether an unchanged definition uses another one now, and not only a changed one of the same name."""
    before, after = (listed.split(" ")[1:] for listed in (old[name], new[name]))
    if len(before) != len(after):
        return True
    pairs = [(x, y) for x, y in zip(before, after, strict=True) if x != y]
    return any(_named(x, old).isdisjoint(_named(y, new)) for x, y in pairs)


def _named(reference: str, listing: Mapping[str, str]) -> set[str]:
    return {name for name, listed in listing.items() if listed.startswith(reference)}


def _defined_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _is_shared(statement: ast.stmt) -> bool:
    return sum(1 for _ in _defined_names(statement)) > 1


def _wrappers(statements: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    """The decorators of a definition; of `NAME = f(...)(value)`, f(...)."""
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            yield from statement.decorator_list
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Call):
            yield statement.value.func


class _Normalizer(ast.NodeTransformer):
    """Makes a definition independent of names: references become marks, their targets a list."""

    def __init__(self, module: Module, name: str, package: Package) -> None:
        self._module, self._name, self._package = module, name, package
        # those that define several names are changed in a copy
        self._statements = [copy.deepcopy(each) if _is_shared(each) else each for each in module.statements[name]]
        self._imports = module.imports | module.imported(*self._statements)
        self._scopes: list[frozenset[str]] = []
        self._references: list[Symbol] = []
        self._methods: dict[str, str] = {}

    def definition(self) -> Definition:
        """The statements as one text."""
        # not ast.dump: its text differs between the minor versions of Python
        text = "\n".join(ast.unparse(self._top(statement)) for statement in self._statements)
        return Definition(_hash(text), tuple(self._references))

    def _top(self, statement: ast.stmt) -> Any:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if isinstance(statement, ast.ClassDef) and not statement.bases and self._name not in self._package.bases:
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
        marked = isinstance(value, ast.Call) and self._module.mark_of(value.func)
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
                if not any(map(self._module.mark_of, statement.decorator_list)):
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
        dotted = self._imports.get(head, f"{self._module.name}.{head}")
        found = self._package.resolve(".".join([dotted, *rest]))
        if not found:
            return _chain(dotted if head in self._imports else head, rest)
        symbol, attributes = found
        if symbol == (self._module.name, self._name):
            return _chain(SELF, attributes)
        self._references.append(symbol)
        return _chain(REFERENCE, attributes)

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def _only_describes(self, decorator: ast.expr) -> bool:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        is_asset = isinstance(call, ast.Attribute) and call.attr == "asset"
        return is_asset or self._module.mark_of(decorator) is not None

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        visited = [self.visit(each) for each in _without_docstring(body)]
        return [each for each in visited if each is not None] or [ast.Pass()]

    @contextmanager
    def _scope(self, names: frozenset[str]) -> Iterator[None]:
        """Names that are bound here mean no definition of the module."""
        self._scopes.append(names - self._imports.keys())
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
