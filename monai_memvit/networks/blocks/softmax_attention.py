"""The softmax attention of vision transformers."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..layers import attendable
from .self_attention import SelfAttention

__all__ = ["SoftmaxAttention"]


class SoftmaxAttention(SelfAttention):
    """Scaled dot-product attention on torch's fused kernel; no dropout in evaluation.

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
        super().__init__(hidden_size, num_heads, dropout_rate, qkv_bias)
        self.dropout_rate = dropout_rate
        self.qk_norm = None if qk_norm is None else qk_norm(num_heads, self.head_dim)

    def project(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the tokens.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            q, k and v, each ``(B, H, T, d)``.
        """
        q, k, v = super().project(x, mask)
        return (q, k, v) if self.qk_norm is None else (*self.qk_norm(q, k), v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """``softmax(q k^T / sqrt(d)) v`` over the valid tokens.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``; of no meaning for a sample without a valid token, but finite.
        """
        dropout = self.dropout_rate if self.training else 0.0
        if mask is None:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=attendable(mask)[:, None, None], dropout_p=dropout)
