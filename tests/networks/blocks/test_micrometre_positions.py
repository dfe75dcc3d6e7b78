"""Positions in micrometres against those of a grid, and against one place at a time."""

from __future__ import annotations

import math

import pytest
import torch

from monai_memvit.networks.blocks import MicrometrePositions, SinCosPositions


def test_a_grid_of_places_has_the_positions_of_an_image():
    rows, columns = torch.meshgrid(torch.arange(3), torch.arange(5), indexing="ij")
    places = 8.0 * torch.stack([columns.flatten(), rows.flatten()], 1)
    found = MicrometrePositions(16, unit_um=8.0)(places)
    torch.testing.assert_close(found, SinCosPositions(16, (3, 5))((3, 5), 0, 3)[0])


def test_grids_within_tiles_are_their_places_one_by_one():
    positions, centres = MicrometrePositions(24, unit_um=7.0).double(), 1e4 * torch.rand(3, 2).double()
    found = positions.grid(centres, cells=3, pitch_um=4.0)
    for centre, cells in zip(centres, found):
        for row in range(3):
            for column in range(3):
                place = centre + torch.tensor([4.0 * (column - 1), 4.0 * (row - 1)]).double()
                torch.testing.assert_close(cells[3 * row + column], positions(place[None])[0])


def test_ten_centimetres_from_the_origin_the_angles_keep_their_digits():
    x, y = 100_000.5, 99_999.25
    found = MicrometrePositions(4, unit_um=0.25)(torch.tensor([[x, y]], dtype=torch.float64))[0]
    wanted = [math.sin(4 * x), math.cos(4 * x), math.sin(4 * y), math.cos(4 * y)]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("width", "unit", "message"), [(6, 1.0, "multiple of 4"), (8, -1.0, "unit_um must be")])
def test_sizes_that_do_not_fit_are_refused(width, unit, message):
    with pytest.raises(ValueError, match=message):
        MicrometrePositions(width, unit)
