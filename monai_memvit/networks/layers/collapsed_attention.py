"""The Gram form of sequence-normalised attention: the whole sub-layer as one affine map of its tokens."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from .heads import split_heads
from .precision import no_autocast, wide
from .token_moments import TokenMoments
from .token_passes import offset_linear

__all__ = ["HeadStatistics", "TokenMap", "collapse_attention", "head_statistics"]


class HeadStatistics(NamedTuple):
    """What normalisation and attention need to know of a whole sequence, head by head.

    Args:
        gains: learned gain over standard deviation of each channel of q, k and v, ``(B, 3, D)``.
        attention: ``A = (1/n) k^T v`` of normalised keys and values, ``(B, H, d, d)``: a token receives ``q A``.
    """

    gains: Tensor
    attention: Tensor


class TokenMap(NamedTuple):
    """An affine map of the tokens of each sample: ``z -> (z - reference) matrix + offset``.

    Args:
        reference: a constant near the mean token, ``(B, 1, D)``.
        matrix: ``(B, D, D)``.
        offset: ``(B, 1, D)``.
    """

    reference: Tensor
    matrix: Tensor
    offset: Tensor

    def __call__(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, D)`` in the dtype of ``x``; zero at padding.
        """
        return offset_linear(x, self.reference, self.matrix, self.offset, mask)


def head_statistics(
    moments: TokenMoments, qkv: Tensor, weight: Tensor, bias: Tensor, num_heads: int, eps: float = 1e-5
) -> HeadStatistics:
    """Statistics of queries, keys and values that are never computed: they are linear in the tokens.

    With C the covariance of the tokens, the variances are ``s^2 = diag(W C W^T)``, and
    ``A = Diag(g_k / s_k) W_k C W_v^T Diag(g_v / s_v) + b_k b_v^T`` in every head.

    Args:
        moments: of the tokens.
        qkv: weight of the joint projection, ``(3*D, D)``; a bias of it would change nothing.
        weight: gains g of the normalised channels of q, k and v, ``(3, D)``.
        bias: their offsets b, ``(3, D)``.
        num_heads: H.
        eps: added to the variances.

    Returns:
        the statistics.
    """
    covariance, qkv, weight, bias = (wide(t) for t in (moments.covariance, qkv, weight, bias))
    with no_autocast(qkv):
        shared = covariance @ qkv.mT  # covariance of the tokens with q, k and v, (B, D, 3D)
        variance = (qkv.mT * shared).sum(1).clamp(min=0).unflatten(1, (3, -1))
        gains = weight * (variance + eps).rsqrt()
        _, key_weight, _ = qkv.chunk(3)
        _, _, value_shared = shared.chunk(3, dim=-1)
        correlation = split_heads(key_weight.mT[None], num_heads).mT @ split_heads(value_shared, num_heads)
        _, gain_k, gain_v = gains.unflatten(-1, (num_heads, -1)).unbind(1)
        _, bias_k, bias_v = bias.unflatten(-1, (num_heads, -1))
        attention = gain_k[..., None] * correlation * gain_v[..., None, :] + bias_k[..., None] * bias_v[..., None, :]
    return HeadStatistics(gains, attention)


def collapse_attention(
    moments: TokenMoments, qkv: Tensor, weight: Tensor, bias: Tensor, out: Tensor, num_heads: int, eps: float = 1e-5
) -> TokenMap:
    """What sequence-normalised attention does to every token, from the moments of all of them.

    Token z receives ``((z - mean) W_q^T Diag(g_q / s_q) + b_q) A W_o``, which is affine in it. Beyond the moments this
    costs ``4 D^3 + 2 D^2 d`` multiplications per sample, whatever the number of tokens.

    Args:
        moments: of the tokens.
        qkv: weight of the joint projection, ``(3*D, D)``.
        weight: gains of the normalised channels of q, k and v, ``(3, D)``.
        bias: their offsets, ``(3, D)``.
        out: weight of the output projection, ``(D, D)``.
        num_heads: H.
        eps: added to the variances.

    Returns:
        the map; the output projection is in it, its bias is not.
    """
    gains, attention = head_statistics(moments, qkv, weight, bias, num_heads, eps)
    mean = moments.mean[:, None]
    reference = mean.to(attention)
    rounded_off = (mean - reference.double()).to(attention)
    with no_autocast(attention):
        received = (attention @ split_heads(wide(out)[None], num_heads).mT).flatten(1, 2)  # A W_o of all heads
        matrix = wide(qkv).chunk(3)[0].mT @ (gains[:, 0, :, None] * received)
        return TokenMap(reference, matrix, wide(bias)[:1] @ received - rounded_off @ matrix)
