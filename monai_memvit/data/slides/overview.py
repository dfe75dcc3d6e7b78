"""A small picture of a whole slide, read strip by strip, whatever levels the slide has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .readers.slide import Level, SlideError, SlideReader

__all__ = ["Overview", "block_means", "read_overview"]

_FINE, _COARSE = 8.0, 16.0  # µm per pixel of an overview
_STRIP = 4_000_000  # pixels read at a time: 28 MB with openslide's own buffer
_READ_ALL = 160_000_000  # pixels of a level, up to which it is read as a whole
_BLOCK = 256  # pixels: what scanners compress together
_UNREADABLE = 0.05  # share of a slide that may be damaged


@dataclass(frozen=True)
class Overview:
    """A picture of the whole slide.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        scale: level-0 pixels per pixel of the picture, by x and by y the same.
        mpp: micrometres per pixel of the picture, (x, y).
        level: of the slide, that was read.
        every: 1, or n where only every n-th block of 256 pixels was read by x and by y, and stands for its neighbours.
        unread: share of the slide that cannot be read; it is white.
    """

    pixels: np.ndarray
    scale: float
    mpp: tuple[float, float]
    level: int
    every: int = 1
    unread: float = 0.0


class _Part(NamedTuple):
    """A part of a level, and what is read of it for the whole; all in pixels of the level."""

    x: int
    y: int
    width: int
    height: int
    read_x: int
    read_y: int
    read_width: int
    read_height: int


def read_overview(reader: SlideReader) -> Overview:
    """Read a picture of about 8 to 16 µm per pixel, the slide permitting, from the smallest level that is fine enough.

    A level of more than 160 megapixels is sampled: only every n-th of its blocks is read.

    Args:
        reader: a slide whose mpp is known.

    Raises:
        SlideError: where its mpp is unknown, or more than a twentieth of the slide cannot be read.
    """
    mpp = max(reader.known_mpp)
    number = reader.level_for(_COARSE / mpp)
    level = reader.levels[number]
    factor = 2 ** max(0, round(math.log2(_FINE / (mpp * level.downsample))))
    every = math.ceil(math.sqrt(level.width * level.height / _READ_ALL))
    pixels = np.full((-(-level.height // factor), -(-level.width // factor), 3), 255, np.uint8)
    parts = list(_strips(level, factor) if every == 1 else _samples(level, every))[::-1]
    unread = 0
    while parts:
        part = parts.pop()
        rows, columns = slice(part.y // factor, None), slice(part.x // factor, None)
        target = pixels[rows, columns][: -(-part.height // factor), : -(-part.width // factor)]
        try:
            means = block_means(_read(reader, number, part, factor), factor)
        except SlideError:
            pieces = _pieces(part, factor)
            unread += 0 if pieces else target.size
            if unread > _UNREADABLE * pixels.size:
                raise SlideError(
                    f"{reader.path}: more than {_UNREADABLE:.0%} of the slide cannot be read: copy it again"
                ) from None
            parts += pieces
            continue
        target[:] = means.repeat(every, axis=0).repeat(every, axis=1)[: target.shape[0], : target.shape[1]]
    scale = level.downsample * factor
    sides = (reader.known_mpp[0] * scale, reader.known_mpp[1] * scale)
    return Overview(pixels, scale, sides, number, every, unread / pixels.size)


def _strips(level: Level, factor: int) -> Iterator[_Part]:
    width = _whole(min(level.width, _STRIP // _BLOCK), factor)
    height = _whole(max(_STRIP // width, _BLOCK), factor)
    for y in range(0, level.height, height):
        for x in range(0, level.width, width):
            size = min(width, level.width - x), min(height, level.height - y)
            yield _Part(x, y, *size, x, y, *size)


def _samples(level: Level, every: int) -> Iterator[_Part]:
    side = _BLOCK * every
    for y in range(0, level.height, side):
        for x in range(0, level.width, side):
            width, height = min(side, level.width - x), min(side, level.height - y)
            middle = width // 2 // _BLOCK * _BLOCK, height // 2 // _BLOCK * _BLOCK
            yield _Part(x, y, width, height, x + middle[0], y + middle[1], _BLOCK, _BLOCK)


def _pieces(part: _Part, factor: int) -> list[_Part]:
    """Halves of a part that cannot be read, so that damage costs its own block only; none of a block, or a sample."""
    x, y, width, height = part[:4]
    block = _whole(_BLOCK, factor)
    if (part.read_width, part.read_height) != (width, height) or max(width, height) <= block:
        return []
    if width > height:
        left = _whole(width // 2, block)
        boxes = [(x, y, left, height), (x + left, y, width - left, height)]
    else:
        top = _whole(height // 2, block)
        boxes = [(x, y, width, top), (x, y + top, width, height - top)]
    return [_Part(*box, *box) for box in boxes]


def _whole(length: int, factor: int) -> int:
    return -(-length // factor) * factor


def _read(reader: SlideReader, number: int, part: _Part, factor: int) -> np.ndarray:
    downsample = reader.levels[number].downsample
    x, y = round(part.read_x * downsample), round(part.read_y * downsample)
    return reader.read(x, y, _whole(part.read_width, factor), _whole(part.read_height, factor), number)


def block_means(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Return the means over squares of pixels, rounded.

    Args:
        pixels: ``(H, W, 3)`` uint8, whole squares.
        factor: pixels a side.

    Returns:
        ``(H / factor, W / factor, 3)`` uint8.
    """
    if factor == 1:
        return pixels
    rows = np.zeros((pixels.shape[0] // factor, pixels.shape[1], 3), np.uint32)
    for i in range(factor):
        rows += pixels[i::factor]
    total = np.zeros((len(rows), pixels.shape[1] // factor, 3), np.uint32)
    for i in range(factor):
        total += rows[:, i::factor]
    return ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
