"""What all self-attentions share: project, attend, merge."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch.nn as nn
from torch import Tensor

from ..layers import blank_padding, merge_heads, split_heads

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module, ABC):
    """A multi-head self-attention in three steps, so that a memory can stand between the second and the third.

    Args:
        hidden_size: D, divisible by ``num_heads``.
        num_heads: H.
        dropout_rate: dropout of the output.
        qkv_bias: whether the q, k, v projection has a bias.

    Raises:
        ValueError: when ``hidden_size`` is not divisible by ``num_heads``, or the rate is outside [0, 1].
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout_rate: float = 0.0, qkv_bias: bool = True) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(f"hidden_size {hidden_size} is not divisible by num_heads {num_heads}.")
        if not 0 <= dropout_rate <= 1:
            raise ValueError(f"dropout_rate {dropout_rate} is outside [0, 1].")
        self.num_heads = num_heads
        self.head_dim = hidden_size // num_heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=qkv_bias)
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        self.out_dropout = nn.Dropout(dropout_rate)

    # From how many tokens on the layer works from their moments alone (see SequenceNormAttention): never.
    gram_form_from: float = math.inf

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention of all tokens to all valid tokens.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are. What padding holds is irrelevant, NaN included.

        Returns:
            ``(B, T, D)``; zero at padding.

        Raises:
            ValueError: when there is no token at all.
        """
        if not x.shape[1]:
            raise ValueError(f"attention over no token is not defined, got x {tuple(x.shape)}.")
        return blank_padding(self.merge(self.attend(*self.project(x, mask), mask)), mask)

    def project(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the tokens.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            q, k and v, each ``(B, H, T, d)``.
        """
        q, k, v = (split_heads(t, self.num_heads) for t in self.qkv(blank_padding(x, mask)).chunk(3, dim=-1))
        return q, k, v

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """What every token receives from all valid tokens, head by head.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``.
        """

    def merge(self, x: Tensor) -> Tensor:
        """Join the heads and project them back.

        Args:
            x: ``(B, H, T, d)``.

        Returns:
            ``(B, T, D)``.
        """
        return self.out_dropout(self.out_proj(merge_heads(x)))
