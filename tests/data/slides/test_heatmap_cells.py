"""Cells against painting every tile pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monai_memvit.data.slides.heatmap_cells import HeatmapCells, heatmap_cells


def painted(index: Any, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the values, and number of the tiles, over every level-0 pixel, added up cell by cell."""
    grid, (width, height) = index.header["grid"], index.header["slide"]["size"]
    rows, columns = -(-height // grid["step_y"]), -(-width // grid["step_x"])
    shape = (rows + 8) * grid["step_y"], (columns + 8) * grid["step_x"]
    total, count = np.zeros(shape), np.zeros(shape)
    places = (index.table[name].tolist() for name in ("x", "y", "width", "height"))
    for value, x, y, w, h in zip(values, *places, strict=True):
        if not np.isnan(value):
            total[y : y + h, x : x + w] += value
            count[y : y + h, x : x + w] += 1
    blocks = (rows + 8, grid["step_y"], columns + 8, grid["step_x"])
    sums = (a.reshape(blocks).sum((1, 3))[:rows, :columns] for a in (total, count))
    return tuple(sums)  # type: ignore[return-value]


@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (64, 16), (64, 21), (64, 40), (50, 49), (33, 0)])
@pytest.mark.parametrize("mpp", [(0.5, 0.5), (0.4, 0.37)])
@pytest.mark.parametrize("partial", ["drop", "keep"])
def test_overlapping_tiles_are_averaged_by_area(
    make_index: Callable[..., Any], tile: int, overlap: int, mpp: tuple[float, float], partial: str
) -> None:
    size = (400, 300) if overlap == 49 else (1000, 700)
    index = make_index(size, mpp, tile, overlap, partial)
    values = np.random.default_rng(0).normal(size=len(index))
    values[3] = np.nan
    total, count = painted(index, values)
    cells = heatmap_cells(index, values)
    expected = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    np.testing.assert_allclose(cells.means(), expected, atol=1e-6)
    assert cells.means().dtype == np.float32
    np.testing.assert_array_equal(cells.area > 0, count > 0)


def test_half_the_cells_are_the_mean_over_what_is_covered(make_index: Callable[..., Any]) -> None:
    index = make_index(tile=60, overlap=20)
    values = np.random.default_rng(0).normal(size=len(index))
    total, count = painted(index, values)
    half = heatmap_cells(index, values).halved()
    rows, columns = count.shape
    assert half.total.shape == (-(-rows // 2), -(-columns // 2))
    for r, c in [(0, 0), (2, 3), (half.total.shape[0] - 1, half.total.shape[1] - 1)]:
        part = np.s_[2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
        weight = count[part].sum()
        assert half.means()[r, c] == pytest.approx(total[part].sum() / weight if weight else 0, abs=1e-6)


def test_no_tile_no_value() -> None:
    cells = HeatmapCells(np.zeros((2, 2)), np.zeros((2, 2)))
    assert not cells.means().any()


def test_a_value_per_tile_is_wanted(make_index: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), the slide has \d+ tiles"):
        heatmap_cells(make_index(), np.zeros(3))
