"""Sequence-normalised attention in its direct form, the reference of all others (Khader et al.)."""

from __future__ import annotations

import torch
from torch import Tensor

from .linear_attention import mean_bilinear_attention
from .padding import blank_padding, count_tokens
from .precision import wide

__all__ = ["sequence_norm", "sequence_norm_attention"]


def sequence_norm_attention(
    q: Tensor, k: Tensor, v: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Attention ``O = (1/n) Q K^T V`` of queries, keys and values that are normalised along the sequence.

    No softmax and no ``1/sqrt(d)``; n counts the valid tokens of a sample. With unit weights, zero biases and eps
    towards 0, ``(1/n) K^T V`` is the matrix of correlations between key and value channels.

    Args:
        q: queries ``(B, H, T, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, d)``.
        weight: gains of the channels of q, k and v, ``(3, H*d)``.
        bias: offsets of the channels of q, k and v, ``(3, H*d)``.
        mask: valid tokens ``(B, T)`` bool; None when all are. What padding holds is irrelevant, NaN included.
        eps: added to the variances.

    Returns:
        ``(B, H, T, d)``; zero at padding, and for a sample without a valid token.

    Raises:
        ValueError: when shapes do not fit.
    """
    heads, width = q.shape[1], q.shape[3]
    if weight.shape != (3, heads * width) or bias.shape != weight.shape:
        raise ValueError(
            f"weight and bias must be (3, {heads * width}), got {tuple(weight.shape)} and {tuple(bias.shape)}."
        )
    gains, offsets = (t.view(3, heads, 1, width) for t in (weight, bias))
    q, k, v = (sequence_norm(t, gain, offset, mask, eps) for t, gain, offset in zip((q, k, v), gains, offsets))
    return mean_bilinear_attention(q, k, v, mask)


def sequence_norm(x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Every channel of every sample to mean ``bias`` and standard deviation ``weight`` over its valid tokens.

    An instance normalisation along the sequence that ignores padding and is defined for a single token. Without running
    statistics training and evaluation are the same.

    Args:
        x: ``(B, ..., T, D)``.
        weight: gains, broadcastable to ``x``.
        bias: offsets, broadcastable to ``x``.
        mask: valid tokens ``(B, T)`` bool; None when all are.
        eps: added to the variance.

    Returns:
        ``x`` normalised, in its dtype, computed in float32 at least; zero at padding.
    """
    with torch.autocast(x.device.type, enabled=False):
        count = count_tokens(x, mask).clamp(min=1).view(-1, *[1] * (x.ndim - 1))
        wide_x = blank_padding(wide(x), mask)
        centred = blank_padding(wide_x - wide_x.sum(-2, keepdim=True) / count, mask)
        residual = centred.sum(-2, keepdim=True) / count  # the rounding of a mean that is far from zero
        variance = (centred.square().sum(-2, keepdim=True) / count - residual.square()).clamp(min=0)
        scale = weight * (variance + eps).rsqrt()
        return blank_padding(torch.addcmul(bias - residual * scale, centred, scale), mask).to(x.dtype)
