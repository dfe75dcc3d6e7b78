"""Sine and cosine positions against MONAI's."""

from __future__ import annotations

import pytest
import torch
from monai.networks.blocks.pos_embed_utils import build_sincos_position_embedding

from monai_memvit.networks.layers import grid_coordinates, sincos_embedding


@pytest.mark.parametrize("grid", [(4, 4), (3, 7), (130, 2), (2, 3, 4)])
def test_equal_monais_and_rows_are_slices(grid):
    size = 24
    theirs = build_sincos_position_embedding(list(grid), size, len(grid))[0].detach()
    ours = sincos_embedding(grid_coordinates(grid, 0, grid[0]), size)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    row = theirs.shape[0] // grid[0]
    assert torch.equal(sincos_embedding(grid_coordinates(grid, 1, 2), size), ours[row : 2 * row])


def test_coordinates_are_in_the_order_of_flattening():
    expected = [(i, j, k) for i in (1, 2) for j in range(2) for k in range(3)]
    assert grid_coordinates((5, 2, 3), 1, 3).tolist() == [list(map(float, cell)) for cell in expected]
