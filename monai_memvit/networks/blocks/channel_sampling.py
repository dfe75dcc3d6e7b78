"""Hiding channels while training, so that a network learns to do without any of them."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["HierarchicalChannelSampling"]


class HierarchicalChannelSampling(nn.Module):
    """Keeps m channels, m uniform from 1 to all, and each set of m channels with equal probability (ChannelViT).

    Numbers are drawn from torch's generator on the CPU, wherever the mask is, so that a training continues bit for bit.

    Args:
        shared: draw one set for the whole batch, as the paper does; a sample that has none of its channels keeps one of
            its own. False draws for every sample among the channels that it has.
    """

    def __init__(self, shared: bool = False) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, channel_mask: Tensor) -> Tensor:
        """Draw.

        Args:
            channel_mask: channels that the samples have ``(B, C)`` bool.

        Returns:
            those of them that are kept ``(B, C)`` bool, at least one of each sample that has any.
        """
        size, channels = channel_mask.shape
        draws = torch.rand(1 if self.shared else size, 1 + channels, dtype=torch.float64).to(channel_mask.device)
        share, lots = draws.split([1, channels], dim=1)
        own = torch.where(channel_mask, lots, 2.0)  # the lowest lots are kept: 2 is behind all of them
        if not self.shared:
            return channel_mask & (_ranks(own) <= share * channel_mask.sum(1, keepdim=True))
        kept = channel_mask & (_ranks(lots) <= share * channels)
        return torch.where(kept.any(1, keepdim=True), kept, channel_mask & (_ranks(own) == 0))

    def extra_repr(self) -> str:
        """What the module prints of itself."""
        return f"shared={self.shared}"


def _ranks(lots: Tensor) -> Tensor:
    """Place of each number in its row, from 0."""
    return lots.argsort(1).argsort(1)
