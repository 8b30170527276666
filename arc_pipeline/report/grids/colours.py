"""The colours of pictures: ARC's ten for cells, and a few for frames that differ in line and label as well."""

from typing import Final

# 0-9 as the task viewers of ARC show them
ARC_COLOURS: Final = (
    *("#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00"),
    *("#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25"),
)
COLOUR_NAMES: Final = (
    *("black", "blue", "red", "green", "yellow"),
    *("grey", "magenta", "orange", "sky", "brown"),
)
BETWEEN_CELLS: Final = "#555555"
INK: Final = "#222222"
FAINT: Final = "#777777"
TRAIN: Final = "#777777"
TEST: Final = "#c2410c"
TARGET_GROUND: Final = "#fdebd0"
# tokens alternate between two grounds; those with loss have their own two
TOKEN_GROUNDS: Final = {False: ("#eceff4", "#cfd8e6"), True: ("#ffe3a8", "#ffc46b")}


def readable_on(colour: str) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "#ffffff"
