"""Facts that say their class: what a retrieved case was is read along with how it looked."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import no_autocast

__all__ = ["FactLabelEmbedding"]


class FactLabelEmbedding(nn.Module):
    """A learned vector per class and head that is added to the values of the facts of that class.

    All vectors begin at zero: the memory then reads as one without labels. A fact without a known class adds nothing.

    Args:
        num_heads: H.
        head_dim: d.
        num_classes: C, the classes 0 to C - 1 have a vector.

    Raises:
        ValueError: when there is no class.
    """

    def __init__(self, num_heads: int, head_dim: int, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}.")
        self.weight = nn.Parameter(torch.zeros(num_classes, num_heads, head_dim))

    def forward(self, weights: Tensor, labels: Tensor) -> Tensor:
        """What labels add to the read-out: ``sum_k w_k e(label_k)``, without a vector per fact.

        Args:
            weights: of the facts, ``(B, H, Q, K)`` float32.
            labels: their classes ``(B, H, Q, K)`` int64; others than 0 to C - 1 are unknown.

        Returns:
            ``(B, H, Q, d)`` float32.
        """
        classes = len(self.weight)
        known = (labels >= 0) & (labels < classes)
        shares = weights.new_zeros(*weights.shape[:-1], classes)
        shares = shares.scatter_add(-1, labels.clamp(0, classes - 1), weights * known)
        with no_autocast(weights):
            return torch.einsum("bhqc,chd->bhqd", shares, self.weight.float())

    def extra_repr(self) -> str:
        """What the module prints of itself."""
        classes, heads, width = self.weight.shape
        return f"num_classes={classes}, num_heads={heads}, head_dim={width}"
