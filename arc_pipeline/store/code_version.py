"""Code versions: a hash of what a function reaches inside this package, read from the source without importing it.

Definitions count by content, not by where they stand or what they are called: moving a module, splitting a file or
renaming a function changes nothing; nor do comments, docstrings, formatting, imports and annotations. Knows no assets.
"""

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from arc_pipeline.store.normal_form import Definition, Known, Symbol, defined_names, normal_form, text_hash
from arc_pipeline.uncounted import uncounted

REFERENCE_DIGITS = 8
# the end of the dotted name of the mark, in any package
MARK = f".{uncounted.__module__.rpartition('.')[2]}.{uncounted.__name__}"


@dataclass(frozen=True)
class Mark:
    """What `uncounted` says, as read from the source; `of` is empty for all assets."""

    of: frozenset[str]

    def covers(self, asset: str) -> bool:
        """Whether code of this asset does not count here."""
        return not self.of or asset in self.of


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
            for name in defined_names(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted name, of the imports that are not inside a definition."""
        return self.imported(*(each for each in self.tree.body if not any(defined_names(each))))

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
        if not self.imports.get(node.func.id, "").endswith(MARK):
            return None
        given = [*node.args[1:], *(each.value for each in node.keywords if each.arg == "of")]
        return Mark(frozenset(ast.literal_eval(given[0]) if given else ()))

    def definition(self, name: str, package: "Package") -> Definition:
        """The normalized definition of a name."""
        if name not in self._read:
            statements = self.statements[name]
            imports = self.imports | self.imported(*statements)
            known = Known(
                self.name, imports, package.resolve, lambda call: self.mark_of(call) is not None, package.bases
            )
            self._read[name] = normal_form(name, statements, known)
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

    Each is labelled by its shape, then again and again by its label and those of what it uses and of what uses it,
    until that tells no more of them apart (colour refinement: doi:10.1016/j.disopt.2007.08.001).
    """
    labels = {symbol: definition.shape for symbol, definition in found.items()}
    users = _users(found)
    while True:
        finer = {
            symbol: text_hash(labels[symbol], *_labels_of_used(definition, labels), *_labels_of(users[symbol], labels))
            for symbol, definition in found.items()
        }
        if len({*finer.values()}) == len({*labels.values()}):
            return hashlib.sha256("\n".join([finer[entry], *sorted(finer.values())]).encode()).hexdigest()
        labels = finer


def _users(found: Mapping[Symbol, Definition]) -> dict[Symbol, list[tuple[Symbol, int]]]:
    """Of each definition those that use it, and at which place: equal definitions are told apart by their use."""
    users: dict[Symbol, list[tuple[Symbol, int]]] = {symbol: [] for symbol in found}
    for symbol, definition in found.items():
        for place, used in enumerate(definition.references):
            if used in users:
                users[used].append((symbol, place))
    return users


def _labels_of_used(definition: Definition, labels: Mapping[Symbol, str]) -> Iterator[str]:
    """In order, each with the place of its first use: `f(a, a)` is not `f(a, b)`, though a and b be equal."""
    for used in definition.references:
        yield f"{labels.get(used, 'uncounted')} {definition.references.index(used)}"


def _labels_of(users: Iterable[tuple[Symbol, int]], labels: Mapping[Symbol, str]) -> list[str]:
    return sorted(f"{labels[symbol]} {place}" for symbol, place in users)


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


def _wrappers(statements: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    """The decorators of a definition; of `NAME = f(...)(value)`, f(...)."""
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            yield from statement.decorator_list
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Call):
            yield statement.value.func
