"""Files of pictures: small PNGs whose colours are kept, and Markdown that carries them."""

import base64
import io

from PIL import Image

from arc_pipeline.report.data_uris import markdown_images, with_palette
from arc_pipeline.report.grids.colours import ARC_COLOURS


def test_a_palette_keeps_the_colours_of_cells() -> None:
    image = Image.new("RGB", (100, 10))
    for colour, value in enumerate(ARC_COLOURS):
        image.paste(value, (10 * colour, 0, 10 * colour + 10, 10))
    file = io.BytesIO()
    image.save(file, "png")
    small = Image.open(io.BytesIO(with_palette(file.getvalue())))
    assert small.mode == "P"
    assert list(small.convert("RGB").tobytes()) == list(image.tobytes())


def test_as_many_pictures_as_fit() -> None:
    text = markdown_images([b"a" * 600, b"b" * 600, b"c" * 600], "grids", most_bytes=2000)
    first, second, words = text.split("\n\n")
    assert first.startswith("![grids](data:image/png;base64,")
    assert base64.b64decode(second.split("base64,")[1].rstrip(")")) == b"b" * 600
    assert words == "grids: 1 more would be too large here"
    assert len(text) <= 2000
    assert markdown_images([b"a" * 3000], "grids", most_bytes=2000) == "grids: 1 more would be too large here"
    assert markdown_images([], "grids") == "grids: nothing to draw"
