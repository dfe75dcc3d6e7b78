"""SimA: queries and keys of unit l1 norm along the sequence instead of a softmax (Koohpayegani and Pirsiavash)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..layers import bilinear_attention, blank_padding, wide
from .self_attention import SelfAttention

__all__ = ["SimaAttention"]


class SimaAttention(SelfAttention):
    """``q (k^T v)`` with every channel of q and k divided by the sum of its absolute values over the tokens.

    Repeating every token r times divides the output by r: it shrinks as images grow, which
    :class:`SequenceNormAttention` does not. Kept as a peer to compare with, and for its weights.

    Args:
        hidden_size: D, divisible by ``num_heads``.
        num_heads: H.
        dropout_rate: dropout of the output.
        qkv_bias: whether the q, k, v projection has a bias.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise and multiply.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``.
            v: values ``(B, H, T, d)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``; zero at padding.
        """
        q, k = (_unit_sum(t, mask) for t in (q, k))
        return bilinear_attention(q, k, v)


def _unit_sum(x: Tensor, mask: Tensor | None) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.normalize(blank_padding(wide(x), mask), p=1.0, dim=-2, eps=1e-6).to(x.dtype)
