"""One token per tile from its pixels: how strongly it answers to filters, which are trained along."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from .micrometre_positions import MicrometrePositions
from .tile_embedding import TileEmbedding

__all__ = ["TileFilterEmbedding"]


class TileFilterEmbedding(TileEmbedding):
    """The mean strong answers of a tile to filters, projected, and the tile's position on the slide.

    A filter is as large as a nucleus and slides over the tile by half its side, so that it matters little where in the
    tile a nucleus lies. Answers of either sign count apart (concatenated ReLU, Shang et al. 2016), and those within
    half a standard deviation do not count: their mean would be that of the colours. One token makes a slide cheap.
    Filters should be learned from tiles before labels are: :func:`~monai_memvit.networks.filters.learn_filters`.

    Args:
        in_channels: C.
        hidden_size: D, divisible by 4.
        dropout_rate: dropout of the tokens.
        filters: how many.
        filter_size: pixels a side.
        unit_um: micrometres that count as one step of position, best the side of a tile.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_size: int,
        dropout_rate: float = 0.0,
        filters: int = 40,
        filter_size: int = 8,
        unit_um: float = 128.0,
    ) -> None:
        super().__init__(dropout_rate)
        self.filters = nn.Conv2d(in_channels, filters, filter_size, stride=max(1, filter_size // 2))
        self.projection = nn.Linear(2 * filters, hidden_size)
        self.positions = MicrometrePositions(hidden_size, unit_um)

    def tokens_per_tile(self, tiles: Tensor) -> int:
        """One.

        Args:
            tiles: ``(..., N, C, P, P)``.

        Returns:
            1.

        Raises:
            ValueError: when tiles have other channels, or are smaller than a filter.
        """
        channels, size = self.filters.in_channels, self.filters.kernel_size[0]
        if not 4 <= tiles.ndim <= 5 or tiles.shape[-3] != channels or min(tiles.shape[-2:]) < size:
            raise ValueError(
                f"tiles {tuple(tiles.shape)} must be (N, {channels}, P, P) or (B, N, {channels}, P, P), P at least "
                f"{size} pixels: choose such a tile when the slides are prepared."
            )
        return 1

    def answers(self, tiles: Tensor) -> Tensor:
        """Mean strong answers.

        Args:
            tiles: ``(N, C, P, P)``; bytes count as shares of 255, all else is taken as it is.

        Returns:
            ``(N, 2 F)``: of F filters those above, then those below.
        """
        pixels = tiles.to(self.projection.weight)
        if tiles.dtype == torch.uint8:
            pixels = pixels / 255
        found = self.filters(pixels)
        return torch.cat([(found - 0.5).relu(), (-found - 0.5).relu()], 1).mean((-2, -1))

    def embed(self, tiles: Tensor, coordinates: Tensor) -> Tensor:
        """Embed tiles, without checks.

        Args:
            tiles: ``(N, C, P, P)``; bytes count as shares of 255, all else is taken as it is.
            coordinates: centres ``(N, 2)``, x and y in micrometres.

        Returns:
            tokens ``(N, 1, D)``.
        """
        return (self.projection(self.answers(tiles)) + self.positions(coordinates))[:, None]
