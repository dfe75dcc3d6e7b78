"""Tokens of every channel by itself, so that a missing channel is a missing token and no image of zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import blank_channels, blank_padding
from .grid_embedding import GridEmbedding
from .positions import LearnedPositions

__all__ = ["ChannelEmbedding"]


class ChannelEmbedding(nn.Module):
    """One token per channel and patch, as in ChannelViT (Bao et al., ICLR 2024): ``W patch_i(x_c) + e_c + pos_i``.

    The projection W of one channel and the positions are shared by all channels; e_c tells the channels apart. Tokens
    are ordered by channel, then by patch: token ``c N + i``. Missing channels are padding for whatever follows.
    C times the tokens of a :class:`GridEmbedding` cost softmax attention up to C² times as much, sequence-norm
    attention C times.

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

    Example::

        sampling = HierarchicalChannelSampling()
        net = MemViT(5, 256, 16, num_classes=2, embedding=ChannelEmbedding, channel_sampling=sampling)
        logits = net(slices, channel_mask=present)  # (B, 5, 256, 256) and (B, 5) bool
    """

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
        self.patches = GridEmbedding(1, img_size, patch_size, hidden_size, positions, spatial_dims=spatial_dims)
        self.channels = nn.Parameter(torch.empty(in_channels, hidden_size))
        nn.init.trunc_normal_(self.channels, std=0.02)
        self.dropout = nn.Dropout(dropout_rate)
        self.in_channels = self.tokens_per_patch = in_channels
        self.patch_size = self.patches.patch_size

    def grid_of(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Patches per axis.

        Args:
            spatial: pixels per axis.

        Returns:
            one number per axis; every patch has a token for each channel.

        Raises:
            ValueError: when the image is no multiple of the patch.
        """
        return self.patches.grid_of(spatial)

    def forward(self, x: Tensor, mask: Tensor | None = None, channel_mask: Tensor | None = None) -> Tensor:
        """Embed whole images.

        Args:
            x: ``(B, C, *spatial)``.
            mask: valid patches ``(B, N)`` bool; None when all are. What the others hold is irrelevant, NaN included.
            channel_mask: present channels ``(B, C)`` bool; None when all are. What the others hold is irrelevant, NaN
                included.

        Returns:
            tokens ``(B, C N, D)``; zero at padding and missing channels.

        Raises:
            ValueError: when the image has other channels or is no multiple of the patch, or a mask does not fit.
        """
        size, channels = x.shape[:2]
        if channels != len(self.channels):
            raise ValueError(f"images of {channels} channels came, the embedding knows {len(self.channels)}.")
        images = blank_channels(x, channel_mask).flatten(0, 1).unsqueeze(1)  # one channel each
        patches = self.patches(images, None if mask is None else mask.repeat_interleave(channels, 0))
        tokens = (patches.unflatten(0, (size, channels)) + self.channels[:, None]).flatten(1, 2)
        return blank_padding(self.dropout(tokens), self.token_mask(x, mask, channel_mask))

    def token_mask(self, x: Tensor, mask: Tensor | None = None, channel_mask: Tensor | None = None) -> Tensor | None:
        """Which tokens are valid: those of valid patches in present channels.

        Args:
            x: images ``(B, C, *spatial)``.
            mask: valid patches ``(B, N)`` bool; None when all are.
            channel_mask: present channels ``(B, C)`` bool; None when all are. A sample without any has no valid token.

        Returns:
            ``(B, C N)`` bool; None when all are valid.
        """
        if mask is None and channel_mask is None:
            return None
        if mask is None:
            mask = x.new_ones(1, math.prod(self.patches.grid_of(x.shape[2:])), dtype=torch.bool)
        if channel_mask is None:
            channel_mask = mask.new_ones(1, x.shape[1])
        return (channel_mask[:, :, None] & mask[:, None]).flatten(1)
