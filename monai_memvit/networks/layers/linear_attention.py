"""Attention without a softmax: a product of three matrices, which may be multiplied in either order."""

from __future__ import annotations

from torch import Tensor

from .padding import count_tokens
from .precision import no_autocast, operand_dtype

__all__ = ["bilinear_attention", "mean_bilinear_attention"]


def bilinear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """``(q k^T) v`` for few tokens, ``q (k^T v)`` for many: the same product, whichever is cheaper.

    Of T tokens with d channels the first takes ``2 T^2 d`` multiplications per head, the second ``2 T d^2``.

    Args:
        q: queries ``(B, H, Q, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, e)``.

    Returns:
        ``(B, H, Q, e)``.
    """
    (queries, width), (tokens, value_width) = q.shape[-2:], v.shape[-2:]
    by_tokens = queries * tokens * (width + value_width)
    by_channels = (queries + tokens) * width * value_width
    return (q @ k.mT) @ v if by_tokens < by_channels else q @ (k.mT @ v)


def mean_bilinear_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """:func:`bilinear_attention` over the number of valid tokens n, safe in half precision for any n.

    Args:
        q: queries ``(B, H, T, d)``.
        k: keys ``(B, H, T, d)``, zero at padding.
        v: values ``(B, H, T, d)``, zero at padding.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``(B, H, T, d)``; zero for a sample without a valid token.
    """
    wide_q, wide_k, wide_v = (t.to(operand_dtype(t)) for t in (q, k, v))
    # Half of 1/n on either side: k^T v alone overflows float16 at 65,504 tokens, and k / n vanishes in it.
    scale = count_tokens(q, mask).clamp(min=1).double().rsqrt().view(-1, 1, 1, 1).to(wide_q.dtype)
    with no_autocast(q):
        return bilinear_attention(wide_q, wide_k * scale, wide_v * scale).to(q.dtype)
