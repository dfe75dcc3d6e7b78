"""All tiles of a slide at once, for networks that learn from their pixels."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from ..atomic import atomic_write
from .readers.slide import SlideError
from .tile_index import TileIndex
from .tile_pixels import read_tile
from .tiles import _opened, _row_major

__all__ = ["LoadSlideTilesD", "LoadSlideTilesDict", "LoadSlideTilesd"]

_LOGGER = logging.getLogger(__name__)


class LoadSlideTilesd(Transform):
    """Replace the path of a tile index by the pixels of its tiles, and where they lie.

    The whole slide is held at once, ``3 P P`` bytes per tile: for slides that fit, and to train end to end.
    :class:`SlideTiles` reads batch by batch. In a ``CacheDataset`` a slide is decoded once per run; a ``cache_dir``
    keeps the pixels for the next runs too. Tiles that cannot be decoded are left out, each with a warning.

    Args:
        image_key: where the item holds the path of a ``tiles.parquet``, and where the pixels go.
        leave_out: tiles with one of these flags are left out, see ``FLAGS``.
        cache_dir: folder for the pixels, one file per slide named by the key of its index; empty for none.
    """

    def __init__(
        self,
        image_key: str = "image",
        leave_out: Sequence[str] = ("unreadable",),
        cache_dir: str | os.PathLike[str] = "",
    ) -> None:
        self.image_key = image_key
        self.leave_out = tuple(leave_out)
        self.cache_dir = Path(cache_dir) if str(cache_dir) else None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load.

        Args:
            data: item with the path.

        Returns:
            the item with the tiles ``(N, 3, P, P)`` uint8, ``position_um`` ``(N, 2)`` float64, their centres (x, y) in
            micrometres, and ``tile`` ``(N,)`` int64, their rows in the index; row by row.

        Raises:
            ValueError: naming the file, where it is no tile index, its slide is gone, has changed or cannot be opened,
                or no tile is left or can be read.
        """
        path = data[self.image_key]
        index = TileIndex.load(path)
        rows = _row_major(index, self.leave_out)
        if not len(rows):
            raise ValueError(f"{path}: no tile is left without {', '.join(self.leave_out)}: leave the slide out")
        pixels, rows = self._pixels(index, rows)
        found: dict[Hashable, Any] = {
            self.image_key: torch.from_numpy(pixels),
            "position_um": torch.from_numpy(index.positions_um()[rows]),
            "tile": torch.from_numpy(rows),
        }
        return {**data, **found}

    def _pixels(self, index: TileIndex, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tiles, and their rows; what cannot be read is left out and not kept for the next run."""
        if self.cache_dir is None:
            return _read(index, rows)
        path = self.cache_dir / f"{'-'.join([index.header['key'], *sorted(self.leave_out)])}.npy"
        kept = _kept(path, (len(rows), 3, index.tile, index.tile))
        if kept is not None:
            return kept, rows
        pixels, read = _read(index, rows)
        if len(read) == len(rows):
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                np.save(file, pixels)
        return pixels, read


def _read(index: TileIndex, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reader = _opened(str(index.slide_path), index)
    pixels = np.empty((len(rows), 3, index.tile, index.tile), np.uint8)
    places = [index.table[name][rows].tolist() for name in ("x", "y", "width", "height")]
    read: list[int] = []
    for row, x, y, width, height in zip(rows.tolist(), *places, strict=True):
        try:
            tile = read_tile(reader, x, y, width, height, index.level, index.tile)
        except SlideError as error:
            _LOGGER.warning("left out: %s", error)
            continue
        pixels[len(read)] = tile.transpose(2, 0, 1)
        read.append(row)
    if not read:
        raise ValueError(f"{index.slide_path}: none of its {len(rows)} tiles can be read: leave the slide out")
    return pixels[: len(read)], np.array(read, np.int64)


def _kept(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Pixels of an earlier run; what is no such file is made again."""
    try:
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


LoadSlideTilesD = LoadSlideTilesDict = LoadSlideTilesd
