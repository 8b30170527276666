"""Grids and prompts as codes: a byte for each token, which a table turns into ids, other ones for other colours.

That holds only for tokenizers that give each digit a token of its own; `GridCodes.of` refuses the others. Nothing of a
tokenizer is needed afterwards, so another process can do with what is in here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.rendering.encoder import GridEncoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import N_COLOURS, Grid, Pair
from arc_pipeline.model.weights.chat import chat_frame
from arc_pipeline.model.weights.tokenization import encode_text, encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Shape: TypeAlias = tuple[int, int]
Cells: TypeAlias = NDArray[np.uint8]

MOST_CODES = 256
DIGITS = "0123456789"
# a byte that no text gives, in vocabularies that can write every byte
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
# (rows, columns) of grids whose texts show what stands before the first digit and after the last one
_TRIED: tuple[Shape, ...] = ((1, 1), (2, 3), (12, 30))
# stands for a grid in a prompt: not a digit, and in no prompt
_GRID = "\0"
TRANSFORMS = {
    "identity": lambda cells: cells,
    "rotate_90": lambda cells: cells[::-1].T,
    "rotate_180": lambda cells: cells[::-1, ::-1],
    "rotate_270": lambda cells: cells.T[::-1],
    "flip_rows": lambda cells: cells[::-1],
    "flip_columns": lambda cells: cells[:, ::-1],
    "transpose": lambda cells: cells.T,
    "anti_transpose": lambda cells: cells[::-1, ::-1].T,
}
TURNS = [TRANSFORMS[name] for name in TRANSFORM_NAMES]


class NotSeparable(Exception):
    """The tokenizer or the encoder does not allow codes; the message says why."""


@dataclass(frozen=True)
class Layout:
    """The tokens of an example between its grids: `glue[k]` stands before the k-th grid, the last after all.

    `grids` names the grids in their order: (which pair: a demonstration's place, or -1 for the target; 0 for its
    input, 1 for its output).
    """

    glue: tuple[bytes, ...]
    grids: tuple[tuple[int, int], ...]


@dataclass
class GridCodes:
    """Codes 0 to 9 are cells of these colours; `ids[code]` is the token of every code if no colour is changed.

    `templates`: by shape, the codes of its grids from the first digit to the last, and where the cells are in it.
    """

    ids: list[int]
    templates: dict[Shape, tuple[Cells, NDArray[np.int64]]]
    layouts: dict[tuple[str, int], Layout] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tokenizer: "PreTrainedTokenizerBase",
        encoder: GridEncoder,
        shapes: Iterable[Shape],
        prompts: Iterable[tuple[str, int]],
    ) -> "GridCodes":
        """Codes for grids of these shapes, as all transforms leave them, in these (prompt, number of demonstrations).

        NotSeparable if the tokenizer does not keep digits apart, or the encoder writes grids in another way.
        """
        return _Coding(tokenizer, encoder).codes(shapes, prompts)

    def core(self, cells: Cells) -> bytes:
        """The codes of a grid, from its first digit to its last."""
        template, places = self.templates[cells.shape]  # type: ignore[index]
        codes = template.copy()
        codes[places] = cells.ravel()
        return codes.tobytes()


class _Coding:
    """Codes in the making: each token that is no cell gets the next free one."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> None:
        self._tokenizer, self._encoder = tokenizer, encoder
        self._digits = _digit_ids(tokenizer)
        self._codes: dict[int, int] = {}
        self._before, self._after = _around_digits(encoder)

    def codes(self, shapes: Iterable[Shape], prompts: Iterable[tuple[str, int]]) -> GridCodes:
        layouts = {prompt: self._layout(*prompt) for prompt in prompts}
        both = sorted({each for rows, columns in shapes for each in ((rows, columns), (columns, rows))})
        templates = dict(zip(both, self._templates(both), strict=True))
        if N_COLOURS + len(self._codes) > MOST_CODES:
            raise NotSeparable(f"grids and prompts have more than {MOST_CODES} different tokens")
        return GridCodes([*self._digits, *self._codes], templates, layouts)

    def _code(self, ids: Iterable[int]) -> list[int]:
        return [N_COLOURS + self._codes.setdefault(token, len(self._codes)) for token in ids]

    def _templates(self, shapes: Sequence[Shape]) -> Iterable[tuple[Cells, NDArray[np.int64]]]:
        blank = [[self._encoder.encode(_blank(shape, colour)) for shape in shapes] for colour in (0, 1)]
        for shape, ids, *texts in zip(shapes, encode_texts(self._tokenizer, blank[0]), *blank, strict=True):
            digits = [place for place, token in enumerate(ids) if token in self._digits]
            written = [pair for pair in zip(*texts, strict=True) if pair[0] in DIGITS]
            places = np.array([place for place, (a, b) in zip(digits, written, strict=False) if a != b], np.int64)
            if len(digits) != len(written) or len(places) != shape[0] * shape[1]:
                raise NotSeparable(f"a grid of {shape[0]} x {shape[1]} has {len(digits)} tokens for its digits")
            core = self._code(ids[digits[0] : digits[-1] + 1])
            yield np.array(core, np.uint16).clip(max=MOST_CODES - 1).astype(np.uint8), places - digits[0]

    def _layout(self, prompt: str, n_shown: int) -> Layout:
        """Read off the prompt, rendered with grids that say which ones they are."""
        marked = [_marked_pair(number) for number in (*range(n_shown), -1)]
        rendered = PROMPTS[prompt](marked[:-1], marked[-1], _Marker())
        frame = chat_frame(self._tokenizer)
        texts = re.split(_GRID + r"(-?\d+,\d)" + _GRID, frame.around(rendered.text))
        literals, grids = texts[::2], [*texts[1::2], rendered.answer.strip(_GRID)]
        glue = [self._glue("", literals[0], before=False)] if len(literals) > 1 else []
        glue += [self._glue(DIGITS[0], literal) for literal in literals[1:-1]]
        glue += [self._glue(DIGITS[0], literals[-1], after=False) if len(literals) > 1 else self._whole(literals[0])]
        # the answer is a text of its own
        glue[-1] += self._glue("", "", before=False)
        last = self._glue(DIGITS[0], "", after=False) + bytes(self._code([self._tokenizer.eos_token_id]))
        places = [tuple(map(int, grid.split(","))) for grid in grids]
        return Layout((*glue, last), tuple(places))  # type: ignore[arg-type]

    def _glue(self, digit: str, literal: str, before: bool = True, after: bool = True) -> bytes:
        """The tokens between two digits: what ends a grid if one is `before`, the text, what begins one `after` it."""
        text = self._after * before + literal + self._before * after
        ids = encode_text(self._tokenizer, digit * before + text + DIGITS[0] * after)
        begin = next(place for place, token in enumerate(ids) if token == self._digits[0]) + 1 if before else 0
        return self._bytes(ids[begin : len(ids) - after])

    def _whole(self, text: str) -> bytes:
        return self._bytes(encode_text(self._tokenizer, text))

    def _bytes(self, ids: Iterable[int]) -> bytes:
        codes = self._code(ids)
        if max(codes, default=0) >= MOST_CODES:
            raise NotSeparable(f"grids and prompts have more than {MOST_CODES} different tokens")
        return bytes(codes)


class _Marker:
    """Writes for a grid which one it is."""

    def encode(self, grid: Grid) -> str:
        return f"{_GRID}{grid[0][0]},{grid[0][1]}{_GRID}"

    def decode(self, text: str) -> Grid:
        raise NotImplementedError

    def longest(self, beginning: str) -> int:
        raise NotImplementedError


def _marked_pair(number: int) -> Pair:
    return Pair(((number, 0),), ((number, 1),))


def _digit_ids(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens of the ten digits; NotSeparable unless they are ten, and no other token is written with a digit."""
    # after another digit: at the beginning of a text, some tokenizers add a space
    ids = [encode_text(tokenizer, DIGITS[0] + digit)[-1] for digit in DIGITS]
    if len(set(ids)) != len(DIGITS):
        raise NotSeparable("its digits have no tokens of their own")
    special = tokenizer.added_tokens_decoder
    for token, token_id in tokenizer.get_vocab().items():
        if token_id not in special and token_id not in ids and not _BYTE.fullmatch(token) and re.search("[0-9]", token):
            raise NotSeparable(f"its token {token!r} holds a digit beside others")
    return ids


def _around_digits(encoder: GridEncoder) -> tuple[str, str]:
    """What the encoder writes before the first digit and after the last one, whatever the grid is."""
    around = set()
    for shape in _TRIED:
        text = encoder.encode(_blank(shape, 0))
        before, after = re.match(r"\D*", text), re.search(r"\D*\Z", text)
        around.add((before[0] if before else "", after[0] if after else ""))
    if len(around) > 1:
        raise NotSeparable("the text around a grid depends on its shape")
    return around.pop()


def _blank(shape: Shape, colour: int) -> Grid:
    return ((colour,) * shape[1],) * shape[0]
