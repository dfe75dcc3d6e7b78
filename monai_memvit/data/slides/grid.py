"""Where tiles of a wanted scale lie on a slide: whole level-0 pixels, by exact arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["TileGrid", "tile_grid"]

_MAGNIFIED = Fraction(5, 4)  # 0.25 µm from a slide of 0.31 µm, no more


@dataclass(frozen=True)
class TileGrid:
    """A grid of tiles from the upper left corner of a slide; all lengths in level-0 pixels.

    Args:
        width: of a tile.
        height: of a tile.
        step_x: from one tile's left edge to the next one's.
        step_y: from one tile's top edge to the next one's.
        columns: tiles by x.
        rows: tiles by y.
    """

    width: int
    height: int
    step_x: int
    step_y: int
    columns: int
    rows: int

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of every tile, row by row, each ``(rows * columns,)`` int32."""
        row, column = np.divmod(np.arange(self.rows * self.columns), max(self.columns, 1))
        return row.astype(np.int32), column.astype(np.int32)


def tile_grid(
    size: tuple[int, int],
    mpp: tuple[float, float],
    mpp_target: float,
    tile: int,
    overlap: int = 0,
    partial: str = "drop",
) -> TileGrid:
    """Lay a grid of tiles over a slide.

    A tile of P pixels at m µm covers P·m/mpp level-0 pixels, and the next one begins (P - overlap)·m/mpp further on;
    both are rounded to whole pixels (half to even), so that tiles of no overlap touch, and every place is exact.

    Args:
        size: (width, height) of level 0 in pixels.
        mpp: (x, y) micrometres per pixel of level 0.
        mpp_target: micrometres per pixel of the tiles.
        tile: P, pixels a side.
        overlap: pixels that neighbours share.
        partial: ``drop`` leaves out tiles that reach over the slide's right or lower edge, ``keep`` keeps them.

    Raises:
        ValueError: where the tiles would be magnified by more than a quarter, or the slide is smaller than a tile.
    """
    if max(map(Fraction, mpp)) > Fraction(mpp_target) * _MAGNIFIED:
        raise ValueError(
            f"tiles of {mpp_target:g} µm per pixel are finer than the slide, which has {max(mpp):g}: "
            f"choose a coarser target, such as {max(mpp):g}"
        )
    scales = [Fraction(mpp_target) / Fraction(side) for side in mpp]
    width, height = (round(tile * scale) for scale in scales)
    step_x, step_y = (max(round((tile - overlap) * scale), 1) for scale in scales)
    counts = [
        _count(length, side, step, partial) for length, side, step in zip(size, (width, height), (step_x, step_y))
    ]
    if not all(counts):
        raise ValueError(
            f"the slide has {size[0]}x{size[1]} pixels, a tile covers {width}x{height}: choose smaller tiles"
        )
    return TileGrid(width, height, step_x, step_y, *counts)


def _count(length: int, side: int, step: int, partial: str) -> int:
    if partial == "keep":
        return 1 + max(math.ceil((length - side) / step), 0)
    return (length - side) // step + 1 if length >= side else 0
