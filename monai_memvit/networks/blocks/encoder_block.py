"""The pre-norm transformer block."""

from __future__ import annotations

import torch.nn as nn
from monai.networks.blocks import MLPBlock
from monai.networks.layers import DropPath
from torch import Tensor

__all__ = ["EncoderBlock"]


class EncoderBlock(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``, with whatever attention it is given.

    Args:
        attention: a module ``(B, T, D), mask -> (B, T, D)``.
        hidden_size: D.
        mlp_dim: width of the hidden layer of the MLP.
        dropout_rate: dropout of the MLP.
        drop_path_rate: probability of skipping a branch for a whole sample while training.
    """

    def __init__(
        self,
        attention: nn.Module,
        hidden_size: int,
        mlp_dim: int,
        dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden_size)
        self.attention = attention
        self.norm2 = nn.LayerNorm(hidden_size)
        self.mlp = MLPBlock(hidden_size, mlp_dim, dropout_rate)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """One block.

        Args:
            x: tokens ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            tokens ``(B, T, D)``.
        """
        x = x + self.drop_path(self.attention(self.norm1(x), mask))
        return x + self.drop_path(self.mlp(self.norm2(x)))
