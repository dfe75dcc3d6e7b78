"""A slide as large as real ones, made at run time by repeating a piece of content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ...data.atomic import atomic_write
from ...data.simulate.slides import SlideSimulation, simulate_slide
from ...data.simulate.slides.pyramid import PyramidLevel, jpeg_tile, write_pyramid
from ...data.slides.readers.open_slide import open_slide

__all__ = ["slide_content", "write_large_slide"]

_SIDE = 2048
_TILE = 256


def slide_content(path: str | None, seed: int = 0) -> tuple[np.ndarray, float]:
    """Return what a large slide is made of, and its micrometres per pixel.

    Args:
        path: of a slide whose middle is taken, 2048 pixels a side at most; None simulates tissue on glass.
        seed: of the simulation.

    Returns:
        ``(H, W, 3)`` uint8, sides multiples of 256; and its scale.

    Raises:
        ValueError: for a slide that is smaller than a tile, or cannot be read.
    """
    if path is None:
        return simulate_slide(0, seed, 0, SlideSimulation((_SIDE, _SIDE), mpp=0.5)).pixels, 0.5
    slide = open_slide(path)
    width, height = (min(side, _SIDE) // _TILE * _TILE for side in slide.size)
    if not width or not height:
        raise ValueError(f"{path} has {slide.size[0]}x{slide.size[1]} pixels: give a slide of {_TILE} or more")
    left, top = (slide.size[0] - width) // 2, (slide.size[1] - height) // 2
    return slide.read(left, top, width, height), (slide.mpp or (0.5, 0.5))[0]


def write_large_slide(
    path: Path, content: np.ndarray, mpp: float, size: tuple[int, int], downsamples: tuple[int, ...] = (1, 4, 16, 64)
) -> None:
    """Write a pyramid of repeated content; equal tiles are stored once, so that the file is small.

    Args:
        path: of the file.
        content: ``(H, W, 3)`` uint8, sides multiples of 256.
        mpp: micrometres per pixel.
        size: width and height in pixels.
        downsamples: of the levels.
    """
    with atomic_write(path) as file:
        write_pyramid(file, (_level(content, size, downsample) for downsample in downsamples), mpp, tile=_TILE)


def _level(content: np.ndarray, size: tuple[int, int], downsample: int) -> PyramidLevel:
    reduced = np.asarray(Image.fromarray(content).reduce(downsample))
    repeats = [-(-_TILE // side) for side in reduced.shape[:2]]
    block = np.tile(reduced, (*repeats, 1))
    rows, columns = (side // _TILE for side in block.shape[:2])
    known = {
        (row, column): jpeg_tile(block[row * _TILE : (row + 1) * _TILE, column * _TILE : (column + 1) * _TILE], _TILE)
        for row in range(rows)
        for column in range(columns)
    }
    width, height = (side // downsample for side in size)
    return PyramidLevel(width, height, _repeated(known, rows, columns, -(-height // _TILE), -(-width // _TILE)))


def _repeated(known: dict[tuple[int, int], bytes], rows: int, columns: int, down: int, across: int) -> Iterator[bytes]:
    for row in range(down):
        for column in range(across):
            yield known[row % rows, column % columns]
