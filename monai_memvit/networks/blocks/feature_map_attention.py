"""Linear attention by a positive feature map of queries and keys (Katharopoulos et al.; bare in ViTTM)."""

from __future__ import annotations

from torch import Tensor

from ..layers import feature_map_attention
from .self_attention import SelfAttention

__all__ = ["FeatureMapAttention"]


class FeatureMapAttention(SelfAttention):
    """``f(q) (f(k)^T v)`` with ``f = elu + 1``, divided by ``f(q)`` times the sum of ``f(k)``.

    Args:
        hidden_size: D, divisible by ``num_heads``.
        num_heads: H.
        dropout_rate: dropout of the output.
        qkv_bias: whether the q, k, v projection has a bias.
        normalize: divide, so that every output is a weighted mean of values (Katharopoulos et al.). Without it, as
            eq. (8) of ViTTM prints it, the output grows with the number of tokens.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        dropout_rate: float = 0.0,
        qkv_bias: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(hidden_size, num_heads, dropout_rate, qkv_bias)
        self.normalize = normalize

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :func:`feature_map_attention`.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``.
        """
        return feature_map_attention(q, k, v, mask, self.normalize)
