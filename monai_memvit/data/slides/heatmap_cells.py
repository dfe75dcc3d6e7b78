"""Values of tiles on the cells of their grid, where overlapping tiles are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tile_index import TileIndex

__all__ = ["HeatmapCells", "heatmap_cells"]


@dataclass(frozen=True)
class HeatmapCells:
    """Sums over the tiles that cover a cell; a cell is one step of the grid, from the slide's upper left corner on.

    Args:
        total: value times the share of the cell that the tile covers, ``(rows, columns)`` float64.
        area: these shares, ``(rows, columns)`` float64.
    """

    total: np.ndarray
    area: np.ndarray

    def means(self) -> np.ndarray:
        """Return the mean over what tiles cover of a cell, ``(rows, columns)`` float32; 0 where there is no tile."""
        means: np.ndarray = np.divide(self.total, self.area, out=np.zeros_like(self.total), where=self.area > 0)
        return means.astype(np.float32)

    def halved(self) -> HeatmapCells:
        """Return cells of twice the side."""
        return HeatmapCells(_halved(self.total), _halved(self.area))


def heatmap_cells(index: TileIndex, values: np.ndarray) -> HeatmapCells:
    """Lay values of tiles on cells that cover the whole slide.

    Args:
        index: the tiles.
        values: ``(N,)``; NaN where a tile was not seen: it counts as absent.

    Raises:
        ValueError: where there is not one value per tile.
    """
    if values.shape != (len(index),):
        raise ValueError(f"values have shape {values.shape}, the slide has {len(index)} tiles: give a value for each")
    grid, (width, height) = index.header["grid"], index.header["slide"]["size"]
    shape = -(-height // grid["step_y"]), -(-width // grid["step_x"])
    total, area = np.zeros(shape), np.zeros(shape)
    seen = ~np.isnan(values)
    rows, columns, known = index.table["row"][seen], index.table["column"][seen], values[seen].astype(np.float64)
    for down, share_y in enumerate(_covered(grid["height"], grid["step_y"])):
        for right, share_x in enumerate(_covered(grid["width"], grid["step_x"])):
            inside = (rows + down < shape[0]) & (columns + right < shape[1])
            cells, share = (rows[inside] + down, columns[inside] + right), share_y * share_x
            np.add.at(total, cells, known[inside] * share)
            np.add.at(area, cells, share)
    return HeatmapCells(total, area)


def _covered(side: int, step: int) -> list[float]:
    """Shares that a tile covers of the cell it begins with, and of those that follow."""
    return [min(side - start, step) / step for start in range(0, side, step)]


def _halved(cells: np.ndarray) -> np.ndarray:
    rows, columns = cells.shape
    even = np.pad(cells, ((0, rows % 2), (0, columns % 2)))
    sums: np.ndarray = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return sums
