"""A slide in light shades of grey, to lay colours over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .overview import read_overview
from .readers.slide import SlideError, SlideReader
from .tile_index import TileIndex
from .tiles import _opened

__all__ = ["slide_in_grey"]

_SHORTEST = 768  # pixels of the longer side: small slides are enlarged
_READ_WHOLE = 30_000_000  # pixels of a level, up to which it is read at once
_DARKEST = 0.35  # what is darker hides colours
_GLARE = 99.5  # percentile of a dark slide that becomes darkest


def slide_in_grey(index: TileIndex, thumbnail: Path, longest: int = 1536) -> np.ndarray:
    """Read a small picture of a slide, from its left to its right and from its upper to its lower edge.

    Fluorescence is inverted, so that every slide is dark on bright.

    Args:
        index: of the slide, which is read where it was indexed.
        thumbnail: a picture of the slide, taken where it no longer lies there or cannot be read.
        longest: pixels of the picture's longer side, at most.

    Returns:
        ``(H, W)`` float32 in [0.35, 1]; white where there is no picture either.
    """
    size = index.header["slide"]["size"]
    try:
        picture = _of_slide(_opened(str(index.slide_path), index), longest)
    except SlideError:
        picture = Image.open(thumbnail) if thumbnail.is_file() else Image.new("L", (1, 1), 255)
    scale = min(longest, max(_SHORTEST, *picture.size)) / max(size)
    wanted = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    method = Image.Resampling.BOX if wanted[0] < picture.width else Image.Resampling.BICUBIC
    grey = np.asarray(picture.convert("L").resize(wanted, method), np.float32) / 255
    if np.median(grey) < 0.5:
        grey = 1 - np.clip(grey / max(float(np.percentile(grey, _GLARE)), 1 / 255), 0, 1)
    lighter: np.ndarray = _DARKEST + (1 - _DARKEST) * grey
    return lighter


def _of_slide(reader: SlideReader, longest: int) -> Image.Image:
    number = reader.level_for(max(reader.size) / longest)
    level = reader.levels[number]
    if level.width * level.height > _READ_WHOLE:
        return Image.fromarray(read_overview(reader).pixels)
    return Image.fromarray(reader.read(0, 0, level.width, level.height, number))
