"""A picture as a slide: a tiled pyramid of JPEG tiles with its scale, as openslide reads it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

__all__ = ["PyramidLevel", "jpeg_tile", "picture_levels", "write_pyramid"]

_QUALITY = 85
_STEP = 4
_TYPES = {"ascii": (2, 1), "short": (3, 2), "long": (4, 4), "rational": (5, 8), "long8": (16, 8)}  # code, bytes


class PyramidLevel(NamedTuple):
    """One level of a pyramid.

    Args:
        width: pixels.
        height: pixels.
        tiles: as :func:`jpeg_tile` makes them, row by row.
    """

    width: int
    height: int
    tiles: Iterable[bytes]


def jpeg_tile(pixels: np.ndarray, tile: int = 256) -> bytes:
    """Compress one tile (quality 85, colours at half the resolution).

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB, filled up with its edge to the size of a tile.
        tile: pixels a side, a multiple of 16.
    """
    beyond = [(0, tile - pixels.shape[0]), (0, tile - pixels.shape[1]), (0, 0)]
    buffer = io.BytesIO()
    whole = Image.fromarray(np.pad(pixels, beyond, mode="edge"))
    whole.save(buffer, "JPEG", quality=_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def picture_levels(pixels: np.ndarray, tile: int = 256) -> Iterator[PyramidLevel]:
    """Return the levels of downsample 1, 4, 16, … of a picture, down to the size of a tile.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        tile: pixels a side.
    """
    while True:
        height, width = pixels.shape[:2]
        places = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
        yield PyramidLevel(width, height, [jpeg_tile(pixels[y : y + tile, x : x + tile], tile) for y, x in places])
        if min(height, width) // _STEP < tile:
            return
        pixels = np.asarray(Image.fromarray(pixels).reduce(_STEP))


def write_pyramid(
    file: BinaryIO, levels: Iterable[PyramidLevel], mpp: float, description: str = "", tile: int = 256
) -> None:
    """Write a tiled BigTIFF; equal tiles, such as empty glass, are stored once.

    tifffile compresses to JPEG only with a further package, and cannot let tiles share their bytes.

    Args:
        file: writable, seekable, binary, empty.
        levels: the finest first.
        mpp: micrometres per pixel of the finest; it goes to the resolution tags, in pixels per centimetre.
        description: plain ASCII, of the finest level.
        tile: pixels a side.
    """
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    link = 8  # where the offset of the next directory is to be written
    first_width = 0
    for level in levels:
        first_width = first_width or level.width
        offsets, lengths = _write_tiles(file, level.tiles)
        scale = mpp * first_width / level.width
        begin = file.tell()
        entries = _entries(level, offsets, lengths, scale, tile, "" if link > 8 else description, int(link > 8))
        body = _directory(entries, begin)
        file.write(body)
        end = file.tell()
        file.seek(link)
        file.write(struct.pack("<Q", begin))
        link = begin + 8 + 20 * len(entries)
        file.seek(end)


def _write_tiles(file: BinaryIO, tiles: Iterable[bytes]) -> tuple[list[int], list[int]]:
    known: dict[bytes, int] = {}
    offsets, lengths = [], []
    for content in tiles:
        if content not in known:
            known[content] = file.tell()
            file.write(content)
        offsets.append(known[content])
        lengths.append(len(content))
    file.write(b"\0" * (-file.tell() % 8))
    return offsets, lengths


_Entry = tuple[int, str, bytes]


def _entries(
    level: PyramidLevel, offsets: list[int], lengths: list[int], mpp: float, tile: int, description: str, reduced: int
) -> list[_Entry]:
    """Tags (TIFF 6.0, and its supplement 2 for JPEG) in the order of their numbers."""
    per_centimetre = struct.pack("<2I", round(1e4 / mpp * 1000), 1000)
    told = [(270, "ascii", description.encode("ascii") + b"\0")] if description else []
    return [
        (254, "long", struct.pack("<I", reduced)),
        (256, "long", struct.pack("<I", level.width)),
        (257, "long", struct.pack("<I", level.height)),
        (258, "short", struct.pack("<3H", 8, 8, 8)),
        (259, "short", struct.pack("<H", 7)),  # JPEG
        (262, "short", struct.pack("<H", 6)),  # YCbCr
        *told,
        (277, "short", struct.pack("<H", 3)),
        (282, "rational", per_centimetre),
        (283, "rational", per_centimetre),
        (284, "short", struct.pack("<H", 1)),
        (296, "short", struct.pack("<H", 3)),
        (322, "long", struct.pack("<I", tile)),
        (323, "long", struct.pack("<I", tile)),
        (324, "long8", struct.pack(f"<{len(offsets)}Q", *offsets)),
        (325, "long8", struct.pack(f"<{len(lengths)}Q", *lengths)),
        (530, "short", struct.pack("<2H", 2, 2)),
    ]


def _directory(entries: list[_Entry], begin: int) -> bytes:
    """Entries, the next directory's offset (0 as yet), and the values that are longer than 8 bytes."""
    fixed, beyond = [struct.pack("<Q", len(entries))], b""
    after = begin + 8 + 20 * len(entries) + 8
    for tag, kind, value in entries:
        code, size = _TYPES[kind]
        place = value.ljust(8, b"\0") if len(value) <= 8 else struct.pack("<Q", after + len(beyond))
        if len(value) > 8:
            beyond += value + b"\0" * (-len(value) % 8)
        fixed.append(struct.pack("<HHQ", tag, code, len(value) // size) + place)
    return b"".join(fixed) + struct.pack("<Q", 0) + beyond
