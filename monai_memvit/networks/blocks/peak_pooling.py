"""Pooling by peaks: of every channel a mean in which the tokens count the more, the higher they are."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["PeakPool"]


class PeakPool(nn.Module):
    """Of every channel d the mean of the tokens with weights ``softmax_i(s h_id)``: between mean and maximum.

    Where few of many tiles make a slide positive, a mean hides them, and the gate of :class:`GatedAttentionPool` has to
    learn where to look while the head learns what to look for, neither of any use without the other. The peaks of the
    channels differ at once, before anything is learned. With s = 0 this is the mean, with a large s the maximum that
    Wang et al., Revisiting Multiple Instance Neural Networks, 2018, pool features by; s is learned, as in McFee et al.,
    Adaptive Pooling Operators for Weakly Labeled Sound Event Detection, 2018.

    Args:
        sharpness: s in the beginning; for normalised tokens 2 leaves about a fiftieth of them.
    """

    def __init__(self, sharpness: float = 2.0) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(float(sharpness)))

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Every channel as a sequence of its own.

        Args:
            x: tokens ``(B, T, D)``.

        Returns:
            values ``(B D, T, 1)``, and the logits of their weights ``(B D, T)``.
        """
        channels = x.mT.flatten(0, 1)
        return channels[..., None], self.sharpness * channels
