"""Multi-head softmax attention in the three steps that a memory needs: project, attend, merge."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..layers import merge_heads, split_heads

__all__ = ["SoftmaxAttention"]


class SoftmaxAttention(nn.Module):
    """Scaled dot-product attention of a vision transformer, on torch's fused kernel; no dropout in evaluation.

    Args:
        hidden_size: D, divisible by ``num_heads``.
        num_heads: H.
        dropout_rate: dropout of the attention weights and of the output.
        qkv_bias: whether the q, k, v projection has a bias.
        qk_norm: makes a module from ``(num_heads, head_dim)`` that maps ``(q, k)`` to ``(q, k)``, such as
            :class:`CosineQueryKey`; None leaves them as they are, as in a plain ViT.

    Raises:
        ValueError: when ``hidden_size`` is not divisible by ``num_heads``, or a rate is outside [0, 1].
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        dropout_rate: float = 0.0,
        qkv_bias: bool = True,
        qk_norm: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(f"hidden_size {hidden_size} is not divisible by num_heads {num_heads}.")
        if not 0 <= dropout_rate <= 1:
            raise ValueError(f"dropout_rate {dropout_rate} is outside [0, 1].")
        self.num_heads = num_heads
        self.head_dim = hidden_size // num_heads
        self.dropout_rate = dropout_rate
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=qkv_bias)
        self.qk_norm = None if qk_norm is None else qk_norm(num_heads, self.head_dim)
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        self.out_dropout = nn.Dropout(dropout_rate)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the tokens.

        Args:
            x: ``(B, T, D)``.

        Returns:
            q, k and v, each ``(B, H, T, d)``.
        """
        q, k, v = (split_heads(t, self.num_heads) for t in self.qkv(x).chunk(3, dim=-1))
        return (q, k, v) if self.qk_norm is None else (*self.qk_norm(q, k), v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """``softmax(q k^T / sqrt(d)) v`` over the valid tokens.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``; zero for a sample without a valid token.
        """
        dropout = self.dropout_rate if self.training else 0.0
        if mask is None:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None], dropout_p=dropout).nan_to_num(0.0)

    def merge(self, x: Tensor) -> Tensor:
        """Join the heads and project them back.

        Args:
            x: ``(B, H, T, d)``.

        Returns:
            ``(B, T, D)``.
        """
        return self.out_dropout(self.out_proj(merge_heads(x)))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention of all tokens to all valid tokens.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, D)``.
        """
        return self.merge(self.attend(*self.project(x), mask))
