"""Position embeddings that serve grids of any size, whole or some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..layers import grid_coordinates, sincos_embedding, wide

__all__ = ["LearnedPositions", "NoPositions", "SinCosPositions"]


class LearnedPositions(nn.Module):
    """A table of one vector per cell of a grid, resampled linearly for grids of another size.

    Args:
        hidden_size: D.
        grid: cells per axis that the table has.
    """

    def __init__(self, hidden_size: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.grid = tuple(grid)
        self.table = nn.Parameter(torch.empty(1, math.prod(self.grid), hidden_size))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, grid: tuple[int, ...], start: int, stop: int) -> Tensor:
        """Embeddings of some rows.

        Args:
            grid: cells per axis of the image at hand.
            start: first row, along the first axis.
            stop: row behind the last.

        Returns:
            ``(1, cells, D)``.
        """
        if grid == self.grid:
            row = math.prod(grid[1:])
            return self.table[:, start * row : stop * row]
        # Cell centres of the grid at hand, in the units of grid_sample: -1 to 1 over the table, last axis first.
        table = wide(self.table).mT.unflatten(2, self.grid)
        cells = grid_coordinates(grid, start, stop, table.device).to(table.dtype)
        places = (2 * cells + 1) / cells.new_tensor(grid) - 1
        places = places.flip(1).view(1, -1, *[1] * (len(grid) - 1), len(grid))
        sampled = F.grid_sample(table, places, padding_mode="border", align_corners=False)
        return sampled.flatten(2).mT.to(self.table.dtype)


class SinCosPositions(nn.Module):
    """Fixed sines and cosines of the coordinates, computed when they are needed: nothing is stored.

    Args:
        hidden_size: D, divisible by twice the number of axes.
        grid: cells per axis; only their number counts.

    Raises:
        ValueError: when ``hidden_size`` does not divide.
    """

    def __init__(self, hidden_size: int, grid: Sequence[int]) -> None:
        super().__init__()
        if hidden_size % (2 * len(grid)):
            raise ValueError(
                f"sine and cosine positions on {len(grid)} axes need a multiple of {2 * len(grid)} channels, "
                f"got hidden_size {hidden_size}."
            )
        self.hidden_size = hidden_size
        self.register_buffer("_at", torch.empty(0), persistent=False)  # follows the network's device and dtype

    def forward(self, grid: tuple[int, ...], start: int, stop: int) -> Tensor:
        """Embeddings of some rows.

        Args:
            grid: cells per axis of the image at hand.
            start: first row, along the first axis.
            stop: row behind the last.

        Returns:
            ``(1, cells, D)``.
        """
        cells = grid_coordinates(grid, start, stop, self._at.device)
        return sincos_embedding(cells, self.hidden_size)[None].to(self._at.dtype)


class NoPositions(nn.Module):
    """For tokens whose place does not matter.

    Args:
        hidden_size: D; irrelevant.
        grid: irrelevant.
    """

    def __init__(self, hidden_size: int, grid: Sequence[int]) -> None:
        super().__init__()

    def forward(self, grid: tuple[int, ...], start: int, stop: int) -> float:
        """Nothing to add.

        Args:
            grid: irrelevant.
            start: irrelevant.
            stop: irrelevant.

        Returns:
            0.
        """
        return 0.0
