"""Sine and cosine position embeddings from coordinates, for grids of any size and for parts of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["grid_coordinates", "sincos_embedding"]


def grid_coordinates(grid: tuple[int, ...], start: int, stop: int, device: torch.device | None = None) -> Tensor:
    """Coordinates of the cells of some rows of a grid, in the order in which its cells are flattened.

    Args:
        grid: cells per axis.
        start: first row, along the first axis.
        stop: row behind the last.
        device: where to make them.

    Returns:
        ``(cells, axes)`` float32.
    """
    axes = [torch.arange(start, stop, device=device), *(torch.arange(size, device=device) for size in grid[1:])]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2).float()


def sincos_embedding(coordinates: Tensor, hidden_size: int, temperature: float = 10000.0) -> Tensor:
    """The fixed embedding that MONAI builds for a whole grid, for any coordinates.

    Args:
        coordinates: ``(N, axes)``.
        hidden_size: D, divisible by twice the number of axes.
        temperature: of the lowest frequency.

    Returns:
        ``(N, D)``: per axis all sines, then all cosines; the second axis first, as in MONAI.
    """
    axes = coordinates.shape[1]
    per_axis = hidden_size // (2 * axes)
    frequencies = temperature ** -(torch.arange(per_axis, device=coordinates.device).float() / per_axis)
    angles = coordinates[:, :, None] * frequencies
    order = [1, 0, *range(2, axes)]
    return torch.cat([f(angles[:, axis]) for axis in order for f in (torch.sin, torch.cos)], dim=1)
