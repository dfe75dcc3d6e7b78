"""The grid of tiles: scale, overlap and edges by exact arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_memvit.data.slides import tile_grid


@pytest.mark.parametrize("mpp", [0.25, 0.2281750559028887, 0.499, 0.5])
@pytest.mark.parametrize("overlap", [0, 64, 255])
@pytest.mark.parametrize("size", [(5000, 3777), (1027, 1026)])
def test_whole_tiles_fill_the_slide(mpp: float, overlap: int, size: tuple[int, int]) -> None:
    grid = tile_grid(size, (mpp, mpp), 0.5, 256, overlap)
    assert abs(grid.width - 128 / mpp) <= 0.5
    assert abs(grid.step_x - (256 - overlap) * 0.5 / mpp) <= 0.5 or grid.step_x == 1
    for length, side, step, count in [
        (size[0], grid.width, grid.step_x, grid.columns),
        (size[1], grid.height, grid.step_y, grid.rows),
    ]:
        assert (count - 1) * step + side <= length < count * step + side


def test_tiles_without_overlap_touch() -> None:
    grid = tile_grid((4000, 4000), (0.499, 0.37), 0.5, 256)
    assert (grid.width, grid.height) == (257, 346)
    assert (grid.step_x, grid.step_y) == (grid.width, grid.height)


def test_kept_partial_tiles_cover_all_and_none_lies_outside() -> None:
    for width, overlap in itertools.product(range(100, 400, 7), (0, 20)):
        grid = tile_grid((width, 100), (0.5, 0.5), 0.5, 64, overlap, "keep")
        last = (grid.columns - 1) * grid.step_x
        assert last + 64 >= width and (grid.columns == 1 or last - grid.step_x + 64 < width)


def test_positions_run_row_by_row() -> None:
    row, column = tile_grid((300, 200), (0.5, 0.5), 0.5, 100).positions()
    np.testing.assert_array_equal(row, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(column, [0, 1, 2, 0, 1, 2])


def test_a_little_magnification_is_allowed_and_no_more() -> None:
    assert tile_grid((3000, 3000), (0.52, 0.52), 0.5, 256).width == 246
    with pytest.raises(ValueError, match="finer than the slide, which has 1"):
        tile_grid((3000, 3000), (1.0, 1.0), 0.5, 256)


def test_a_slide_smaller_than_a_tile() -> None:
    with pytest.raises(ValueError, match="200x900 pixels, a tile covers 256x256"):
        tile_grid((200, 900), (0.5, 0.5), 0.5, 256)
    assert tile_grid((200, 900), (0.5, 0.5), 0.5, 256, partial="keep").columns == 1
