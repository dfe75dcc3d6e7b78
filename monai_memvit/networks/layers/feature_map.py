"""Attention with a positive feature map instead of a softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .linear_attention import bilinear_attention
from .padding import blank_padding
from .precision import wide

__all__ = ["feature_map_attention"]


def feature_map_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, normalize: bool = True, eps: float = 1e-6
) -> Tensor:
    """``f(q) f(k)^T v`` with ``f = elu + 1``, in float32 at least, optionally divided by ``f(q) sum(f(k))``.

    Args:
        q: queries ``(B, H, Q, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, e)``.
        mask: valid keys ``(B, T)`` bool; None when all are.
        normalize: divide, which makes every output a weighted mean of values.
        eps: added to the divisor.

    Returns:
        ``(B, H, Q, e)`` in the dtype of ``q``; zero for a sample without a valid token.
    """
    with torch.autocast(q.device.type, enabled=False):
        mapped_q = F.elu(wide(q)) + 1
        mapped_k = blank_padding(F.elu(wide(k)) + 1, mask)
        out = bilinear_attention(mapped_q, mapped_k, blank_padding(wide(v), mask))
        if normalize:
            out = out / (mapped_q @ mapped_k.sum(-2)[..., None] + eps)
        return out.to(q.dtype)
