"""The pixels of one tile at the scale it shall have."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from .readers.slide import SlideReader

__all__ = ["read_tile"]

_NEARLY = 0.05  # of a pixel: less than this is no reason to resample


def read_tile(reader: SlideReader, x: int, y: int, width: int, height: int, level: int, size: int) -> np.ndarray:
    """Read a tile from a level that is at least as fine, and resample it to its size.

    Where the level has the wanted scale already, its pixels are taken as they are. Else they are resampled with a
    triangle as wide as the step between wanted pixels (bilinear, antialiased), from the tile's exact edges, which may
    lie between pixels of the level.

    Args:
        reader: the slide.
        x: left edge in level-0 pixels.
        y: top edge in level-0 pixels.
        width: in level-0 pixels.
        height: in level-0 pixels.
        level: to read from.
        size: P, wanted pixels a side.

    Returns:
        ``(P, P, 3)`` uint8 RGB, white outside the slide.

    Raises:
        SlideError: where the region cannot be read.
    """
    downsample = reader.levels[level].downsample
    first_x, columns, left, right = _span(x / downsample, (x + width) / downsample)
    first_y, rows, top, bottom = _span(y / downsample, (y + height) / downsample)
    pixels = reader.read(round(first_x * downsample), round(first_y * downsample), columns, rows, level)
    if columns == rows == size:
        return pixels
    box = (left, top, right, bottom)
    if box == (0, 0, columns, rows):
        # Laid out like this, bytes take torch's vectorised path: a sixth of Pillow's time.
        channels_last = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        return interpolate(channels_last, (size, size), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, box))


def _span(first: float, last: float) -> tuple[int, int, float, float]:
    """Whole pixels that hold a span: the first, their number, and the span's edges counted from the first."""
    start = math.floor(first + _NEARLY)
    count = max(math.ceil(last - _NEARLY) - start, 1)
    return start, count, max(first - start, 0.0), min(last - start, float(count))
