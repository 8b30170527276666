"""Pictures inside texts: PNGs of few bytes, and addresses and Markdown that hold them and need no file beside them."""

import base64
import io
import itertools
from collections.abc import Sequence

# Dagster keeps metadata twice in its database
MOST_BYTES, ROOM_FOR_WORDS = 200_000, 200


def with_palette(png: bytes, colours: int = 255) -> bytes:
    """The PNG with few colours: a third of the bytes."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.open(io.BytesIO(png))
    resolution = {"dpi": image.info["dpi"]} if "dpi" in image.info else {}
    image = image.convert("RGB").quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(file, "png", optimize=True, **resolution)
    return file.getvalue()


def data_uri(png: bytes) -> str:
    """The picture as an address."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def markdown_images(pngs: Sequence[bytes], what: str, most_bytes: int = MOST_BYTES) -> str:
    """Markdown with the first of the pictures, as many as fit; it says what they are, and how many did not fit."""
    images = [f"![{what}]({data_uri(png)})" for png in pngs]
    lengths = itertools.accumulate(map(len, images))
    fitting = sum(length <= most_bytes - ROOM_FOR_WORDS for length in lengths)
    left_out = [f"{what}: {len(pngs) - fitting} more would be too large here"] if fitting < len(pngs) else []
    return "\n\n".join([*images[:fitting], *left_out]) or f"{what}: nothing to draw"
