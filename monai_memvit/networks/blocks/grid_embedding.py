"""Patches of an image as tokens, for images of any size, whole or some rows of patches at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn as nn
from monai.networks.layers import Conv
from monai.utils import ensure_tuple_rep
from torch import Tensor

from ..layers import blank_channels, blank_padding
from .positions import LearnedPositions

__all__ = ["GridEmbedding"]


class GridEmbedding(nn.Module):
    """One token per patch, by a convolution whose stride is its width, plus a position embedding.

    Missing channels count as zeros, and the m present ones of a sample are multiplied by C/m, so that a token keeps its
    size (the plain alternative to :class:`ChannelEmbedding`).

    Args:
        in_channels: C.
        img_size: pixels per axis that the positions are made for; images may have others.
        patch_size: pixels of a patch per axis.
        hidden_size: D.
        positions: makes the position embedding from ``(hidden_size, grid)``.
        dropout_rate: dropout of the tokens.
        spatial_dims: 2 or 3.

    Raises:
        ValueError: when the image is no multiple of the patch.
    """

    tokens_per_patch = 1  # all channels of a patch share one

    def __init__(
        self,
        in_channels: int,
        img_size: Sequence[int] | int,
        patch_size: Sequence[int] | int,
        hidden_size: int,
        positions: Callable[[int, Sequence[int]], nn.Module] = LearnedPositions,
        dropout_rate: float = 0.0,
        spatial_dims: int = 2,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.patch_size = ensure_tuple_rep(patch_size, spatial_dims)
        self.patch_embeddings = Conv[Conv.CONV, spatial_dims](
            in_channels, hidden_size, kernel_size=self.patch_size, stride=self.patch_size
        )
        self.positions = positions(hidden_size, self.grid_of(ensure_tuple_rep(img_size, spatial_dims)))
        self.dropout = nn.Dropout(dropout_rate)

    def grid_of(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Patches per axis.

        Args:
            spatial: pixels per axis.

        Returns:
            one number per axis.

        Raises:
            ValueError: when the image is no multiple of the patch, which would cut off its border unseen.
        """
        if len(spatial) != len(self.patch_size) or any(s % p or not s for s, p in zip(spatial, self.patch_size)):
            raise ValueError(
                f"an image of {tuple(spatial)} pixels is no multiple of patches of {self.patch_size}: crop it, or pad "
                "it, as with monai.transforms.DivisiblePad."
            )
        return tuple(s // p for s, p in zip(spatial, self.patch_size))

    def forward(self, x: Tensor, mask: Tensor | None = None, channel_mask: Tensor | None = None) -> Tensor:
        """Embed whole images.

        Args:
            x: ``(B, C, *spatial)``.
            mask: valid patches ``(B, N)`` bool; None when all are. What the others hold is irrelevant, NaN included.
            channel_mask: present channels ``(B, C)`` bool; None when all are. What the others hold is irrelevant, NaN
                included. A sample without any is embedded as an image of zeros.

        Returns:
            tokens ``(B, N, D)``; zero at padding.

        Raises:
            ValueError: when the image is no multiple of the patch, or a mask does not fit.
        """
        grid = self.grid_of(x.shape[2:])
        if mask is not None:
            x = torch.where(self._pixels_of(mask, grid), x, 0)
        if channel_mask is not None:
            x = _rescaled(blank_channels(x, channel_mask).to(self.patch_embeddings.weight), channel_mask)
        return blank_padding(self.rows(x, 0, grid[0]), mask)

    def token_mask(self, x: Tensor, mask: Tensor | None = None, channel_mask: Tensor | None = None) -> Tensor | None:
        """Which tokens are valid.

        Args:
            x: images ``(B, C, *spatial)``.
            mask: valid patches ``(B, N)`` bool; None when all are.
            channel_mask: irrelevant: all channels share the tokens.

        Returns:
            ``mask``.
        """
        return mask

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Embed some rows of patches.

        Args:
            x: whole images ``(B, C, *spatial)``, of any dtype and on any device; only these rows are converted.
            start: first row of patches, along the first axis.
            stop: row behind the last.

        Returns:
            tokens ``(B, n, D)``.
        """
        grid, high = self.grid_of(x.shape[2:]), self.patch_size[0]
        band = x[:, :, start * high : stop * high].to(self.patch_embeddings.weight)
        tokens = self.patch_embeddings(band).flatten(2).mT
        return self.dropout(tokens + self.positions(grid, start, stop))

    def _pixels_of(self, mask: Tensor, grid: Sequence[int]) -> Tensor:
        """The patches' mask for every pixel, ``(B, 1, *spatial)``."""
        if mask.shape[1] != math.prod(grid):
            raise ValueError(f"a mask of {mask.shape[1]} patches does not fit an image of {tuple(grid)} patches.")
        pixels = mask.view(-1, 1, *grid)
        for axis, size in enumerate(self.patch_size, start=2):
            pixels = pixels.repeat_interleave(size, axis)
        return pixels


def _rescaled(x: Tensor, channel_mask: Tensor) -> Tensor:
    """The images times C/m, as if every missing channel added what the m present ones do on average."""
    present = channel_mask.sum(1).clamp(min=1).to(x)
    return x * (x.shape[1] / present).view(-1, *[1] * (x.ndim - 1))
