"""Queries and keys of unit length with a learned temperature per head."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CosineQueryKey"]


class CosineQueryKey(nn.Module):
    """Makes every attention logit a cosine times a learned scale per head, as in Memorizing Transformers.

    Retrieval then ranks by cosine, the geometry of the prototypes, and stale keys cannot drift in length.

    Args:
        num_heads: H.
        head_dim: d.
        init_scale: first value of the scale: ``logit = scale * cos(q, k)``.
    """

    def __init__(self, num_heads: int, head_dim: int, init_scale: float = 10.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((num_heads, 1, 1), init_scale).log())
        self.head_dim = head_dim

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise both; the scale, and the ``sqrt(d)`` that attention divides by, go into the queries.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.

        Returns:
            queries and keys, each ``(B, H, T, d)``.
        """
        scale = self.log_scale.exp() * self.head_dim**0.5
        return (F.normalize(q, dim=-1) * scale).to(q.dtype), F.normalize(k, dim=-1)
