"""Positions of tokens on a slide, from micrometres: the same wherever tiles begin and whatever the scanner's pixel."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import sincos_embedding

__all__ = ["MicrometrePositions"]


class MicrometrePositions(nn.Module):
    """Fixed sines and cosines of two coordinates in micrometres, computed when they are needed.

    Args:
        hidden_size: D, divisible by 4.
        unit_um: micrometres that count as one step of a grid, best the distance of neighbouring tokens: then the
            embedding is :class:`SinCosPositions`' own. Angles are taken in float64.

    Raises:
        ValueError: when ``hidden_size`` does not divide or the unit is not positive.
    """

    def __init__(self, hidden_size: int, unit_um: float) -> None:
        super().__init__()
        if hidden_size % 4:
            raise ValueError(f"positions on a slide need a multiple of 4 channels, got hidden_size {hidden_size}.")
        if not unit_um > 0:
            raise ValueError(f"unit_um must be a positive number of micrometres, got {unit_um}.")
        self.hidden_size = hidden_size
        self.unit_um = unit_um
        self.register_buffer("_at", torch.empty(0), persistent=False)  # follows the network's device and dtype

    def forward(self, coordinates_um: Tensor) -> Tensor:
        """Embeddings of places.

        Args:
            coordinates_um: ``(..., 2)``, x and y in micrometres.

        Returns:
            ``(..., D)``: first x, then y.
        """
        return self._angles(coordinates_um).to(self._at.dtype)

    def grid(self, centres_um: Tensor, cells: int, pitch_um: float) -> Tensor:
        """Embeddings of square grids of places, at the cost of their rows and columns.

        Args:
            centres_um: centres of the grids, ``(N, 2)``, x and y in micrometres.
            cells: rows and columns of each.
            pitch_um: distance of neighbouring places.

        Returns:
            ``(N, cells * cells, D)``, row by row.
        """
        steps = torch.arange(cells, device=centres_um.device, dtype=torch.float64) - (cells - 1) / 2
        diagonal = centres_um.double()[:, None] + (steps * pitch_um)[:, None]
        across, down = self(diagonal).chunk(2, dim=-1)  # each depends on one coordinate alone
        shape = (-1, cells, cells, -1)
        return torch.cat([across[:, None].expand(shape), down[:, :, None].expand(shape)], -1).flatten(1, 2)

    def _angles(self, coordinates_um: Tensor) -> Tensor:
        places = coordinates_um.double().to(self._at.device) / self.unit_um
        rows_and_columns = places.reshape(-1, 2).flip(1)
        return sincos_embedding(rows_and_columns, self.hidden_size).unflatten(0, places.shape[:-1])
