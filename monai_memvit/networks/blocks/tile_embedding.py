"""Tiles of a slide as tokens: a projection of features that an encoder has made, or patches of the tiles' pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import blank_padding
from .micrometre_positions import MicrometrePositions

__all__ = ["FeatureEmbedding", "TileEmbedding", "TilePatchEmbedding"]


class TileEmbedding(nn.Module, ABC):
    """What all embeddings of tiles share: every tile makes m tokens, wherever on the slide it lies.

    Args:
        dropout_rate: dropout of the tokens.
    """

    def __init__(self, dropout_rate: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout_rate)

    @abstractmethod
    def tokens_per_tile(self, tiles: Tensor) -> int:
        """How many tokens a tile makes.

        Args:
            tiles: ``(..., N, *tile)``.

        Returns:
            m.

        Raises:
            ValueError: when such tiles cannot be embedded.
        """

    @abstractmethod
    def embed(self, tiles: Tensor, coordinates: Tensor) -> Tensor:
        """Embed tiles of one slide or of several, without checks.

        Args:
            tiles: ``(N, *tile)`` of any dtype, on any device.
            coordinates: centres ``(N, 2)``, x and y in micrometres.

        Returns:
            tokens ``(N, m, D)``.
        """

    def forward(self, x: Tensor, coordinates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed the tiles of a batch of slides.

        Args:
            x: tiles or their features ``(B, N, *tile)``.
            coordinates: centres ``(B, N, 2)``, x and y in micrometres.
            mask: valid tiles ``(B, N)`` bool; None when all are. What the others hold is irrelevant, NaN included.

        Returns:
            tokens ``(B, N * m, D)``, tile by tile; zero at padding.

        Raises:
            ValueError: when shapes do not fit, a slide has no tile, or a coordinate is not finite.
        """
        self.tokens_per_tile(x)
        if mask is not None:
            _check_mask(x, mask)
            x = torch.where(mask.view(*mask.shape, *[1] * (x.ndim - 2)), x, 0)
            coordinates = blank_padding(coordinates, mask)
        check_places(x.shape[:2], coordinates)
        tokens = self.embed(x.flatten(0, 1), coordinates.flatten(0, 1)).unflatten(0, x.shape[:2]).flatten(1, 2)
        return blank_padding(self.dropout(tokens), self.token_mask(x, coordinates, mask))

    def token_mask(self, x: Tensor, coordinates: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """Which tokens are valid.

        Args:
            x: tiles or their features ``(B, N, *tile)``.
            coordinates: irrelevant.
            mask: valid tiles ``(B, N)`` bool; None when all are.

        Returns:
            ``(B, N * m)`` bool, or None.
        """
        return None if mask is None else mask.repeat_interleave(self.tokens_per_tile(x), dim=1)

    def of_slide(self, tiles: Tensor, coordinates: Tensor) -> Tensor:
        """Embed some tiles of one slide.

        Args:
            tiles: ``(n, *tile)`` of any dtype, on any device.
            coordinates: centres ``(n, 2)``, x and y in micrometres.

        Returns:
            tokens ``(1, n * m, D)``, tile by tile.

        Raises:
            ValueError: when shapes do not fit or a coordinate is not finite.
        """
        self.tokens_per_tile(tiles)
        check_places(tiles.shape[:1], coordinates)
        return self.dropout(self.embed(tiles, coordinates).flatten(0, 1)[None])


class FeatureEmbedding(TileEmbedding):
    """One token per tile: a linear projection of its features plus its position, the usual setting of MIL.

    Args:
        in_features: F, what the encoder of the tiles returns.
        hidden_size: D, divisible by 4.
        dropout_rate: dropout of the tokens.
        unit_um: micrometres that count as one step of position, best the side of a tile.
    """

    def __init__(self, in_features: int, hidden_size: int, dropout_rate: float = 0.0, unit_um: float = 128.0) -> None:
        super().__init__(dropout_rate)
        self.projection = nn.Linear(in_features, hidden_size)
        self.positions = MicrometrePositions(hidden_size, unit_um)

    def tokens_per_tile(self, tiles: Tensor) -> int:
        """One.

        Args:
            tiles: features ``(..., N, F)``.

        Returns:
            1.

        Raises:
            ValueError: when there are more or fewer features.
        """
        if not 2 <= tiles.ndim <= 3 or tiles.shape[-1] != self.projection.in_features:
            raise ValueError(
                f"features {tuple(tiles.shape)} do not fit a network that was made for {self.projection.in_features} "
                "per tile, (N, F) or (B, N, F): take the encoder that it was trained with."
            )
        return 1

    def embed(self, tiles: Tensor, coordinates: Tensor) -> Tensor:
        """Embed features, without checks.

        Args:
            tiles: features ``(N, F)``.
            coordinates: centres ``(N, 2)``, x and y in micrometres.

        Returns:
            tokens ``(N, 1, D)``.
        """
        return (self.projection(tiles.to(self.projection.weight)) + self.positions(coordinates))[:, None]


class TilePatchEmbedding(TileEmbedding):
    """A token per patch of every tile's pixels, by a convolution, plus the position of the patch on the slide.

    Args:
        in_channels: C.
        hidden_size: D, divisible by 4.
        dropout_rate: dropout of the tokens.
        patch_size: pixels of a patch per axis.
        mpp: micrometres per pixel of the tiles, the same for all slides.
        unit_um: micrometres that count as one step of position; None takes the side of a patch.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_size: int,
        dropout_rate: float = 0.0,
        patch_size: int = 16,
        mpp: float = 0.5,
        unit_um: float | None = None,
    ) -> None:
        super().__init__(dropout_rate)
        self.patch_size = patch_size
        self.patch_um = patch_size * mpp
        self.patch_embeddings = nn.Conv2d(in_channels, hidden_size, kernel_size=patch_size, stride=patch_size)
        self.positions = MicrometrePositions(hidden_size, self.patch_um if unit_um is None else unit_um)

    def tokens_per_tile(self, tiles: Tensor) -> int:
        """Patches of a tile.

        Args:
            tiles: ``(..., N, C, P, P)``.

        Returns:
            ``(P / patch_size)^2``.

        Raises:
            ValueError: when tiles are no squares, no multiple of the patch, or have other channels.
        """
        channels, side = self.patch_embeddings.in_channels, tiles.shape[-1]
        square = 4 <= tiles.ndim <= 5 and tiles.shape[-3:] == (channels, side, side)
        if not square or not side or side % self.patch_size:
            raise ValueError(
                f"tiles {tuple(tiles.shape)} must be (N, {channels}, P, P) or (B, N, {channels}, P, P), P a multiple "
                f"of the patch of {self.patch_size} pixels: choose such a tile when the slides are prepared."
            )
        return (side // self.patch_size) ** 2

    def embed(self, tiles: Tensor, coordinates: Tensor) -> Tensor:
        """Embed tiles, without checks.

        Args:
            tiles: ``(N, C, P, P)``; bytes count as shares of 255, all else is taken as it is.
            coordinates: centres ``(N, 2)``, x and y in micrometres.

        Returns:
            tokens ``(N, m, D)``, row by row.
        """
        pixels = tiles.to(self.patch_embeddings.weight)
        if tiles.dtype == torch.uint8:
            pixels = pixels / 255
        tokens = self.patch_embeddings(pixels).flatten(2).mT
        return tokens + self.positions.grid(coordinates, tiles.shape[-1] // self.patch_size, self.patch_um)


def check_places(tiles: torch.Size, coordinates: Tensor) -> None:
    """Refuse coordinates that are not those of the tiles.

    Args:
        tiles: ``(N,)`` or ``(B, N)``.
        coordinates: ``(*tiles, 2)`` in micrometres.

    Raises:
        ValueError: when shapes do not fit, there is no tile, or a coordinate is not finite.
    """
    if coordinates.shape != (*tiles, 2) or not coordinates.is_floating_point():
        raise ValueError(
            f"coordinates must be floating point {(*tiles, 2)}, x and y in micrometres of each tile's centre, got "
            f"{coordinates.dtype} {tuple(coordinates.shape)}."
        )
    if not all(tiles):
        raise ValueError(f"there is no tile in {tuple(tiles)}: was any tissue found on the slide?")
    if not coordinates.isfinite().all():
        raise ValueError("coordinates hold NaN or infinity; mark tiles that are none by the mask.")


def _check_mask(x: Tensor, mask: Tensor) -> None:
    if mask.shape != x.shape[:2] or mask.dtype != torch.bool:
        raise ValueError(
            f"a mask {tuple(mask.shape)} of {mask.dtype} does not fit tiles {tuple(x.shape)}: (B, N) bool."
        )
    if not mask.any(1).all():
        empty = (~mask.any(1)).nonzero().flatten().tolist()
        raise ValueError(f"slides {empty} of the batch have no tile: was any tissue found on them?")
