"""Position embeddings against MONAI's and against torch's interpolation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from monai.networks.blocks.pos_embed_utils import build_sincos_position_embedding

from monai_memvit.networks.blocks import LearnedPositions, NoPositions, SinCosPositions

GRIDS = [(4, 4), (3, 7), (2, 3, 4)]


@pytest.mark.parametrize("grid", GRIDS)
def test_sincos_equals_monais_on_any_grid(grid):
    ours = SinCosPositions(24, [1] * len(grid))
    theirs = build_sincos_position_embedding(list(grid), 24, len(grid)).detach()
    torch.testing.assert_close(ours(grid, 0, grid[0]), theirs, atol=1e-6, rtol=0)
    assert not ours.state_dict() and ours.double()(grid, 0, 1).dtype == torch.float64


@pytest.mark.parametrize(("size", "grid"), [(10, (4, 4)), (16, (2, 2, 2))])
def test_sincos_needs_a_size_that_divides(size, grid):
    with pytest.raises(ValueError, match=f"multiple of {2 * len(grid)} channels, got hidden_size {size}"):
        SinCosPositions(size, grid)


@pytest.mark.parametrize(
    ("table", "grid"), [((4, 4), (9, 7)), ((4, 4), (2, 2)), ((5, 3), (3, 5)), ((2, 3, 4), (5, 3, 2))]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_learned_positions_are_interpolated(table, grid, dtype):
    positions = LearnedPositions(6, table).to(dtype)
    as_image = positions.table.mT.unflatten(2, table)
    mode = "bilinear" if len(grid) == 2 else "trilinear"
    expected = F.interpolate(as_image, grid, mode=mode, align_corners=False).flatten(2).mT
    found = positions(grid, 0, grid[0])
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
    wanted = torch.randn_like(found)
    gradients = (torch.autograd.grad((t * wanted).sum(), positions.table)[0] for t in (found, expected))
    torch.testing.assert_close(*gradients, atol=10 * tolerance, rtol=0)


def test_learned_positions_on_their_own_grid_are_the_table():
    positions = LearnedPositions(6, [4, 3])
    assert torch.equal(positions((4, 3), 0, 4), positions.table)


def test_half_precision_is_no_coarser_than_its_numbers():
    positions = LearnedPositions(6, (16, 16))
    expected = positions((100, 100), 0, 100)
    found = positions.bfloat16()((100, 100), 0, 100)
    assert found.dtype == torch.bfloat16 and (found - expected).abs().max() < 0.01 * expected.abs().max()


@pytest.mark.parametrize("make", [LearnedPositions, SinCosPositions])
@pytest.mark.parametrize("grid", GRIDS)
def test_rows_are_slices_of_the_whole(make, grid):
    positions = make(12, [3] * len(grid))
    whole = positions(grid, 0, grid[0])
    row = whole.shape[1] // grid[0]
    rows = torch.cat([positions(grid, start, min(start + 2, grid[0])) for start in range(0, grid[0], 2)], 1)
    torch.testing.assert_close(rows, whole, atol=1e-7, rtol=0)
    assert positions(grid, 1, 2).shape == (1, row, 12)


def test_no_positions_add_nothing():
    x = torch.randn(1, 6, 12)
    assert torch.equal(x + NoPositions(12, (2, 3))((2, 3), 0, 2), x)
