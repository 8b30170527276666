"""Which tokens can come next in a completion that is to be a grid. Knows templates and token ids, not models.

Grids of one shape have one template: equal tokens but for the cells, a token each. The templates of all 900 shapes are
a tree, and what is decided so far of a completion is a place in it. With characters for tokens it is a grammar of text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from arc_pipeline.arc.prediction.templates import ALL_SHAPES, CELL, NOTHING, Encode, Ids, Shape, Templates
from arc_pipeline.arc.rendering.encoder import GridEncoder

UNKNOWN = -1
DETERMINED, A_CELL = 0, 1


@dataclass(frozen=True, eq=False)
class ShapeNode:
    """Shapes that a completion can still have. Their templates are equal before `stop`, where `options` can follow."""

    shapes: Ids
    template: Ids
    stop: int
    kind: int
    options: Mapping[int, Ids]
    children: dict[int, "ShapeNode"] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether the shape is known, so that only cells are still free."""
        return not self.options


@dataclass(frozen=True)
class Script:
    """What is known of a completion's tokens, as far as its shape is decided or drafted.

    `kinds[k]` is DETERMINED, or says which tokens can be at k (`kinds_of` of its grammar); `tokens[k]` is decided,
    drafted or UNKNOWN. `is_whole` says whether the completion ends where the script does.
    """

    tokens: Ids
    kinds: Ids
    is_whole: bool


class Grammar:
    """All completions that are grids of some shapes in one encoding; `end` is the token after each."""

    def __init__(self, encoder: GridEncoder, encode: Encode, end: int, shapes: Sequence[Shape] = ALL_SHAPES) -> None:
        templates = Templates.read(encoder, encode, end, shapes)
        self.cells, self._symbols = templates.cells, templates.symbols
        # which tokens are allowed at a free place, by its kind
        self.kinds_of: list[tuple[int, ...]] = [(), self.cells]
        self._cell_set = frozenset(self.cells)

    @cached_property
    def root(self) -> ShapeNode:
        """Nothing is decided."""
        return self._node(np.arange(len(self._symbols)), 0)

    @cached_property
    def ids(self) -> list[int]:
        """All tokens that any completion can have, ascending."""
        symbols = np.unique(self._symbols)
        return sorted({*symbols[symbols >= 0].tolist(), *self.cells})

    @property
    def longest(self) -> int:
        """Tokens of the longest completion, its end included."""
        return int(self._symbols.shape[1])

    def plan(self, decided: Sequence[int], draft: Sequence[int] = ()) -> Script:
        """The script after the decided tokens; a draft is a whole completion that continues where they end."""
        wanted = np.array([*decided, *draft[len(decided) :]], dtype=np.int64)
        node, kinds = self.root, np.zeros(self.longest, dtype=np.int64)
        while not node.is_leaf:
            kinds[node.stop] = node.kind
            if len(wanted) <= node.stop or (child := self.child(node, int(wanted[node.stop]))) is None:
                wanted = wanted[: node.stop]
                break
            node = child
        length = node.stop + (not node.is_leaf)
        tokens, kinds = node.template[:length].copy(), kinds[:length]
        kinds[(tokens == CELL) & (kinds == DETERMINED)] = A_CELL
        tokens[kinds != DETERMINED] = UNKNOWN
        free = np.flatnonzero(kinds[: len(wanted)])
        tokens[free] = wanted[free]
        return Script(tokens, kinds, node.is_leaf)

    def fits(self, draft: Sequence[int], decided: Sequence[int]) -> bool:
        """Whether the draft is a completion of a shape that is still possible."""
        leaf, node = self._reach(draft), self._reach(decided)
        return leaf is not None and node is not None and leaf.is_leaf and int(leaf.shapes[0]) in node.shapes

    def allowed(self, decided: Sequence[int]) -> tuple[int, ...]:
        """The tokens after which there can still be a grid; none after a whole one, nor after what begins none."""
        walk = Walk(self)
        return walk.allowed() if all(map(walk.take, decided)) else ()

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens, end included, are a whole completion."""
        walk = Walk(self)
        return all(map(walk.take, tokens)) and not walk.allowed()

    def _reach(self, tokens: Sequence[int]) -> ShapeNode | None:
        """The place that these first tokens lead to; None where no shape has them."""
        node: ShapeNode | None = self.root
        while node is not None and len(tokens) > node.stop and not node.is_leaf:
            node = self.child(node, int(tokens[node.stop]))
        return node

    def child(self, node: ShapeNode, token: int) -> ShapeNode | None:
        """Where a token at `stop` leads to."""
        symbol = CELL if token in self._cell_set and CELL in node.options else token
        if symbol not in node.options:
            return None
        if symbol not in node.children:
            node.children[symbol] = self._node(node.options[symbol], node.stop + 1)
        return node.children[symbol]

    def _node(self, shapes: Ids, begin: int) -> ShapeNode:
        symbols = self._symbols[shapes]
        differs = (symbols[:, begin:] != symbols[0, begin:]).any(axis=0)
        if not differs.any():
            length = int((symbols[0] != NOTHING).sum())
            return ShapeNode(shapes, symbols[0, :length], length, DETERMINED, {})
        stop = begin + int(differs.argmax())
        options = {int(symbol): shapes[symbols[:, stop] == symbol] for symbol in np.unique(symbols[:, stop])}
        return ShapeNode(shapes, symbols[0], stop, self.kind(self._tokens(options)), options)

    def kind(self, tokens: Iterable[int]) -> int:
        """The number of a set of allowed tokens."""
        allowed = tuple(sorted(tokens))
        if allowed not in self.kinds_of:
            self.kinds_of.append(allowed)
        return self.kinds_of.index(allowed)

    def _tokens(self, symbols: Iterable[int]) -> set[int]:
        return {token for symbol in symbols for token in (self.cells if symbol == CELL else (symbol,))}


class Walk:
    """One completion, token by token."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar, self._node, self._at = grammar, grammar.root, 0

    def allowed(self) -> tuple[int, ...]:
        """What can come next; nothing after the end."""
        node = self._node
        if self._at == node.stop:
            return self._grammar.kinds_of[node.kind]
        symbol = int(node.template[self._at])
        return self._grammar.cells if symbol == CELL else (symbol,)

    def take(self, token: int) -> bool:
        """Advances by one token, if that is allowed."""
        if token not in self.allowed():
            return False
        if self._at == self._node.stop and (child := self._grammar.child(self._node, token)):
            self._node = child
        self._at += 1
        return True
