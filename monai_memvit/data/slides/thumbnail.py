"""A small picture of a slide with its tiles drawn."""

from __future__ import annotations

from PIL import Image, ImageDraw

from .geojson import FLAG_COLOURS, first_flag
from .overview import Overview
from .tile_index import TileIndex

__all__ = ["tiles_picture"]


def tiles_picture(overview: Overview, index: TileIndex, longest: int = 1536) -> Image.Image:
    """Draw the tiles over the picture of the slide: green, or in the colour of what is wrong with them.

    Args:
        overview: picture of the slide.
        index: its tiles.
        longest: pixels of the picture's longer side, at most.
    """
    picture = Image.fromarray(overview.pixels)
    picture.thumbnail((longest, longest), Image.Resampling.BOX)
    scale = index.header["slide"]["size"][0] / picture.width
    draw = ImageDraw.Draw(picture)
    columns = (index.table[name].tolist() for name in ("x", "y", "width", "height", "flags"))
    for x, y, width, height, flags in zip(*columns, strict=True):
        box = [x / scale, y / scale, (x + width) / scale - 1, (y + height) / scale - 1]
        if box[2] > box[0] and box[3] > box[1]:
            draw.rectangle(box, outline=FLAG_COLOURS[first_flag(flags)])
    return picture
