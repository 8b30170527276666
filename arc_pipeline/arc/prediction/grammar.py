"""Which tokens can come next in an answer that is to be a grid. Knows an encoder and the ids of texts, not models.

Grids of one shape have one template: equal tokens but for the cells, a token each. The templates of all 900 shapes are
a tree, and what an answer has decided so far is a place in it. With characters for tokens it is a grammar of text.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.prediction.encoder import GridEncoder
from arc_pipeline.arc.tasks.task import MAX_SIDE, N_COLOURS, Grid
from arc_pipeline.errors import ArcPipelineError

Shape: TypeAlias = tuple[int, int]
Ids: TypeAlias = NDArray[np.int64]
Encode: TypeAlias = Callable[[list[str]], list[list[int]]]

CELL, NOTHING, UNKNOWN = -1, -2, -1
DETERMINED, A_CELL = 0, 1
SHAPES = [(rows, columns) for rows in range(1, MAX_SIDE + 1) for columns in range(1, MAX_SIDE + 1)]
TRIED_GRIDS = 24


@dataclass(frozen=True, eq=False)
class Node:
    """Shapes that an answer can still have. Their templates are equal before `stop`, where `options` can follow."""

    shapes: Ids
    template: Ids
    stop: int
    kind: int
    options: Mapping[int, Ids]
    children: dict[int, "Node"] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether the shape is known, so that only cells are still free."""
        return not self.options


@dataclass(frozen=True)
class Script:
    """What is known of an answer's tokens, as far as its shape is decided or drafted.

    `kinds[k]` is DETERMINED, or says which tokens can be at k (`kinds_of` of its grammar); `tokens[k]` is decided,
    drafted or UNKNOWN. `is_whole` says whether the answer ends where the script does.
    """

    tokens: Ids
    kinds: Ids
    is_whole: bool


class Grammar:
    """All answers that are grids of some shapes in one encoding; `end` is the token after each.

    ArcPipelineError if a text's ids are no template: where a tokenizer merges cells.
    """

    def __init__(self, encoder: GridEncoder, encode: Encode, end: int, shapes: Sequence[Shape] = SHAPES) -> None:
        self.cells = _cells(encoder, encode)
        self._symbols = _templates(encoder, encode, end, shapes)
        _try(encoder, encode, self, shapes)
        # which tokens are allowed at a free place, by its kind
        self.kinds_of: list[tuple[int, ...]] = [(), self.cells]
        self._cell_set = frozenset(self.cells)

    @cached_property
    def root(self) -> Node:
        """Nothing is decided."""
        return self._node(np.arange(len(self._symbols)), 0)

    @cached_property
    def ids(self) -> list[int]:
        """All tokens that any answer can have, ascending."""
        found = np.unique(self._symbols)
        return sorted({*found[found >= 0].tolist(), *self.cells})

    @property
    def longest(self) -> int:
        """Tokens of the longest answer, its end included."""
        return int(self._symbols.shape[1])

    def plan(self, decided: Sequence[int], draft: Sequence[int] = ()) -> Script:
        """The script after the decided tokens; a draft is a whole answer that goes on where they end."""
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
        """Whether the draft is an answer of a shape that is still possible."""
        leaf, node = self._reach(draft), self._reach(decided)
        return leaf is not None and node is not None and leaf.is_leaf and int(leaf.shapes[0]) in node.shapes

    def allowed(self, decided: Sequence[int]) -> tuple[int, ...]:
        """The tokens after which there can still be a grid; none after a whole answer, nor after what begins none."""
        walk = Walk(self)
        return walk.allowed() if all(map(walk.take, decided)) else ()

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens, end included, are a whole answer."""
        walk = Walk(self)
        return all(map(walk.take, tokens)) and not walk.allowed()

    def _reach(self, tokens: Sequence[int]) -> Node | None:
        """The place of an answer's beginning, None where its shape is none."""
        node: Node | None = self.root
        while node is not None and len(tokens) > node.stop and not node.is_leaf:
            node = self.child(node, int(tokens[node.stop]))
        return node

    def child(self, node: Node, token: int) -> Node | None:
        """Where a token at `stop` leads to."""
        symbol = CELL if token in self._cell_set and CELL in node.options else token
        if symbol not in node.options:
            return None
        if symbol not in node.children:
            node.children[symbol] = self._node(node.options[symbol], node.stop + 1)
        return node.children[symbol]

    def _node(self, shapes: Ids, begin: int) -> Node:
        symbols = self._symbols[shapes]
        differs = (symbols[:, begin:] != symbols[0, begin:]).any(axis=0)
        if not differs.any():
            length = int((symbols[0] != NOTHING).sum())
            return Node(shapes, symbols[0, :length], length, DETERMINED, {})
        stop = begin + int(differs.argmax())
        options = {int(symbol): shapes[symbols[:, stop] == symbol] for symbol in np.unique(symbols[:, stop])}
        return Node(shapes, symbols[0], stop, self.kind(self._tokens(options)), options)

    def kind(self, tokens: Iterable[int]) -> int:
        """The number of a set of allowed tokens."""
        allowed = tuple(sorted(tokens))
        if allowed not in self.kinds_of:
            self.kinds_of.append(allowed)
        return self.kinds_of.index(allowed)

    def _tokens(self, symbols: Iterable[int]) -> set[int]:
        return {token for symbol in symbols for token in (self.cells if symbol == CELL else (symbol,))}


class Walk:
    """One answer, token by token."""

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
        """Goes on by one token, if that is allowed."""
        if token not in self.allowed():
            return False
        if self._at == self._node.stop and (child := self._grammar.child(self._node, token)):
            self._node = child
        self._at += 1
        return True


def _blank(shape: Shape, colour: int) -> Grid:
    return ((colour,) * shape[1],) * shape[0]


def _cells(encoder: GridEncoder, encode: Encode) -> tuple[int, ...]:
    """The tokens of the ten colours as cells."""
    texts = encode([encoder.encode(_blank((2, 3), colour)) for colour in range(N_COLOURS)])
    if len({len(text) for text in texts}) > 1:
        raise _unusable(encoder)
    columns = [place for place in zip(*texts, strict=True) if len(set(place)) > 1]
    if len(columns) != 6 or len(set(columns)) != 1 or len(set(columns[0])) != N_COLOURS:
        raise _unusable(encoder)
    return columns[0]


def _templates(encoder: GridEncoder, encode: Encode, end: int, shapes: Sequence[Shape]) -> Ids:
    """(shapes, longest) the symbols of every shape: an id, CELL, and NOTHING after the end."""
    black, blue = (encode([encoder.encode(_blank(shape, colour)) for shape in shapes]) for colour in (0, 1))
    symbols = np.full((len(shapes), max(map(len, black)) + 1), NOTHING, dtype=np.int64)
    for row, first, second in zip(symbols, black, blue, strict=True):
        if len(first) != len(second):
            raise _unusable(encoder)
        row[: len(first)] = np.where(np.equal(first, second), first, CELL)
        row[len(first)] = end
    free = (symbols == CELL).sum(axis=1)
    if free.tolist() != [rows * columns for rows, columns in shapes]:
        raise _unusable(encoder)
    return symbols


def _try(encoder: GridEncoder, encode: Encode, grammar: Grammar, known: Sequence[Shape]) -> None:
    """Grids of many colours must have the tokens that the templates say."""
    rng = random.Random(0)
    shapes = [*rng.choices(known, k=TRIED_GRIDS), known[-1]]
    grids = [tuple(tuple(rng.choices(range(N_COLOURS), k=columns)) for _ in range(rows)) for rows, columns in shapes]
    for shape, grid, ids in zip(shapes, grids, encode([encoder.encode(grid) for grid in grids]), strict=True):
        template = grammar._symbols[known.index(shape)].copy()
        template[template == CELL] = [grammar.cells[colour] for row in grid for colour in row]
        if template[: len(ids)].tolist() != ids:
            raise _unusable(encoder)


def _unusable(encoder: GridEncoder) -> ArcPipelineError:
    return ArcPipelineError(
        f"predict.constrain: the model's tokenizer does not give every cell of {encoder!r} a token of its own, so its "
        "answers cannot be held to grids; set predict: {constrain: false}, or train with a grid_encoder that keeps "
        "cells apart: GridWithSeparationEncoder(' ')"
    )
