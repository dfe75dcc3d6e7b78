"""Gated attention pooling of a bag of tokens (Ilse et al., Attention-based Deep Multiple Instance Learning, 2018)."""

from __future__ import annotations

import torch.nn as nn
from torch import Tensor

from ..layers import WeightedMean

__all__ = ["GatedAttentionPool"]


class GatedAttentionPool(nn.Module):
    """A mean of tokens with weights ``softmax_i(w^T (tanh(V h_i) * sigmoid(U h_i)))`` (equation 9 of the paper).

    Args:
        hidden_size: D.
        width: of the hidden layer; 128 as in the paper.
    """

    def __init__(self, hidden_size: int, width: int = 128) -> None:
        super().__init__()
        self.value = nn.Linear(hidden_size, width)
        self.gate = nn.Linear(hidden_size, width)
        self.weight = nn.Linear(width, 1, bias=False)  # a bias would shift all scores alike

    def scores(self, x: Tensor) -> Tensor:
        """Logits of the weights.

        Args:
            x: tokens ``(B, T, D)``.

        Returns:
            ``(B, T)``.
        """
        return self.weight(self.value(x).tanh() * self.gate(x).sigmoid())[..., 0]

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens with the logits of their weights.

        Args:
            x: tokens ``(B, T, D)``.

        Returns:
            the tokens, and ``(B, T)``.
        """
        return x, self.scores(x)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool.

        Args:
            x: tokens ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, D)``; zero for a sample without a valid token.
        """
        return WeightedMean.from_tokens(x, self.scores(x), mask).mean.to(x.dtype)
