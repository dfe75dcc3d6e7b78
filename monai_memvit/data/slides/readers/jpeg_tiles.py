"""The JPEG tiles of a tiled TIFF, decoded one by one: openslide's own drawing takes twice as long as the decoding."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from .needed import needed

tifffile: Any = needed("tifffile")

__all__ = ["JpegTiles"]

_KEPT = 64 * 1024 * 1024  # bytes of decoded tiles: those of two rows of a wide slide
_JPEG, _RGB = 7, 2  # TIFF 6.0: Compression, PhotometricInterpretation
_START = b"\xff\xd8"
_NO_TRANSFORM = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # APP14: the components are red, green and blue


class _Page(NamedTuple):
    """A level as the file holds it: sizes in pixels, where its tiles lie, and the tables they share."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    offsets: Sequence[int]
    counts: Sequence[int]
    head: bytes

    @property
    def across(self) -> int:
        return -(-self.width // self.tile_width)


class JpegTiles:
    """Regions of those levels of a TIFF that consist of JPEG tiles, pixel by pixel as libjpeg decodes them.

    Args:
        path: of the TIFF.
        sizes: (width, height) of the levels.
        reference: reads a region ``(x, y, width, height, level)`` as ``(height, width, 3)``, x and y in level-0 pixels.
            The middle tile of level 0 and the first one of other levels are read by it once, and the level is left
            alone unless all pixels are the same.

    Raises:
        Exception: for a file that is no sound TIFF; tifffile raises all kinds.
    """

    def __init__(
        self,
        path: Path,
        sizes: Sequence[tuple[int, int]],
        reference: Callable[[int, int, int, int, int], np.ndarray],
    ) -> None:
        self._pages = _pages(path, sizes)
        self._reference = reference
        self._usable: dict[int, bool] = {}
        largest = max((3 * page.tile_width * page.tile_height for page in self._pages.values()), default=_KEPT)
        descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        self._tile = lru_cache(max(_KEPT // largest, 4))(partial(_decoded, descriptor, self._pages))

    def read(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray | None:
        """Read a region.

        Args:
            x: left edge in pixels of the level.
            y: top edge in pixels of the level.
            width: in pixels of the level.
            height: in pixels of the level.
            level: its number.

        Returns:
            ``(height, width, 3)`` uint8 RGB; None where the level is not usable, the region reaches over its edge, or
            a tile cannot be decoded.
        """
        page = self._pages.get(level)
        if page is None or x < 0 or y < 0 or x + width > page.width or y + height > page.height:
            return None
        if level not in self._usable:
            self._usable[level] = self._is_exact(page, level)
        return self._composed(page, x, y, width, height, level) if self._usable[level] else None

    def _composed(self, page: _Page, x: int, y: int, width: int, height: int, level: int) -> np.ndarray | None:
        region = np.empty((height, width, 3), np.uint8)
        for row in range(y // page.tile_height, (y + height - 1) // page.tile_height + 1):
            top = row * page.tile_height - y
            for column in range(x // page.tile_width, (x + width - 1) // page.tile_width + 1):
                left = column * page.tile_width - x
                try:
                    tile = self._tile(level, row * page.across + column)
                except Exception:  # decoders raise all kinds
                    return None
                part = tile[max(-top, 0) : height - top, max(-left, 0) : width - left]
                down, right = max(top, 0), max(left, 0)
                region[down : down + part.shape[0], right : right + part.shape[1]] = part
        return region

    def _is_exact(self, page: _Page, level: int) -> bool:
        x = 0 if level else page.width // 2 // page.tile_width * page.tile_width
        y = 0 if level else page.height // 2 // page.tile_height * page.tile_height
        box = x, y, min(page.tile_width, page.width - x), min(page.tile_height, page.height - y)
        composed = self._composed(page, *box, level)
        with suppress(Exception):
            return composed is not None and np.array_equal(composed, self._reference(*box, level))
        return False


def _pages(path: Path, sizes: Sequence[tuple[int, int]]) -> dict[int, _Page]:
    """The page of every level of which there is just one of its size, with tiles of JPEG."""
    with tifffile.TiffFile(path) as file:
        tiled = [page for page in file.pages if page.is_tiled]
        fitting = [[page for page in tiled if (page.imagewidth, page.imagelength) == size] for size in sizes]
        found = {level: _page(pages[0]) for level, pages in enumerate(fitting) if len(pages) == 1}
    return {level: page for level, page in found.items() if page is not None}


def _page(page: Any) -> _Page | None:
    if page.compression != _JPEG or page.samplesperpixel != 3 or page.planarconfig != 1:
        return None
    tables = (page.jpegtables or b"")[2:-2]
    head = _START + (_NO_TRANSFORM if page.photometric == _RGB else b"") + tables
    sizes = page.imagewidth, page.imagelength, page.tilewidth, page.tilelength
    return _Page(*sizes, page.dataoffsets, page.databytecounts, head)


def _decoded(descriptor: int, pages: dict[int, _Page], level: int, number: int) -> np.ndarray:
    page = pages[level]
    content = os.pread(descriptor, page.counts[number], page.offsets[number])
    tile = np.asarray(Image.open(io.BytesIO(page.head + content[2:]), formats=["JPEG"]))
    if tile.shape != (page.tile_height, page.tile_width, 3):
        raise ValueError(f"a tile of {tile.shape}")
    return tile
