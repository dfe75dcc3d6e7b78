"""Softmax-free attention at linear cost: queries, keys and values normalised along the sequence (Khader et al.)."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import (
    TokenMap,
    TokenMoments,
    blank_padding,
    collapse_attention,
    head_statistics,
    mean_bilinear_attention,
    near_mean,
    no_autocast,
    sequence_norm,
    split_heads,
)
from .self_attention import SelfAttention

__all__ = ["SequenceNormAttention"]


class SequenceNormAttention(SelfAttention):
    """``(1/n) q k^T v`` of sequence-normalised queries, keys and values, with an output projection.

    Two forms of the same maths: the direct one for short sequences, and for long ones the Gram form, which computes no
    query, key or value and keeps only its input for the backward pass. Training and evaluation are the same, samples
    do not influence each other. The token mean of the output does not depend on the tokens, so mean pooling directly
    behind a single layer sees nothing of it: take a class token or several layers. Leave ``weight`` and ``bias`` out of
    weight decay.

    Args:
        hidden_size: D, divisible by ``num_heads``.
        num_heads: H.
        dropout_rate: dropout of the output; there are no attention weights to drop.
        eps: added to the variances; 1e-4 suits nearly constant sequences, such as the background of a slide.

    Raises:
        ValueError: when ``hidden_size`` is not divisible by ``num_heads``, or the rate is outside [0, 1].
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout_rate: float = 0.0, eps: float = 1e-5) -> None:
        super().__init__(hidden_size, num_heads, dropout_rate, qkv_bias=False)  # a bias would never get a gradient
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(3, hidden_size))
        self.bias = nn.Parameter(torch.zeros(3, hidden_size))

    @property
    def gram_form_from(self) -> int:  # type: ignore[override]
        """Number of tokens from which on the Gram form is faster, about 1.8 D; measured, see docs/results."""
        return int(1.8 * self.num_heads * self.head_dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention of all tokens to all valid tokens, in the form that is faster.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are. What padding holds is irrelevant, NaN included.

        Returns:
            ``(B, T, D)``; zero at padding.

        Raises:
            ValueError: when there is no token at all.
        """
        return self.direct_form(x, mask) if x.shape[1] < self.gram_form_from else self.gram_form(x, mask)

    def direct_form(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Project, normalise, multiply, project back.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, D)``; zero at padding.
        """
        tokens = x.to(self.qkv.weight.dtype)
        received = super().forward(tokens, mask)
        return received if tokens is x else received.to(x.dtype)

    def gram_form(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The same from the moments of the tokens, without a query, key or value; differentiable once.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, T, D)``; zero at padding.
        """
        return self.out_dropout(self.collapse(TokenMoments.from_tokens(x, mask))(x, mask))

    def collapse(self, moments: TokenMoments) -> TokenMap:
        """What the layer does to every token of a sequence.

        Args:
            moments: of all tokens of the sequence.

        Returns:
            the map, without dropout.
        """
        step = collapse_attention(
            moments, self.qkv.weight, self.weight, self.bias, self.out_proj.weight, self.num_heads, self.eps
        )
        return step._replace(offset=step.offset + self.out_proj.bias)

    def among(self, moments: TokenMoments, x: Tensor) -> Tensor:
        """What some tokens receive in a sequence of which only the moments are at hand.

        Args:
            moments: of all tokens of the sequence.
            x: the tokens that ask, ``(B, t, D)``.

        Returns:
            ``(B, t, D)``.
        """
        return self.out_dropout(self.collapse(moments)(x))

    def project_among(self, moments: TokenMoments, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalised queries, keys and values of some tokens in a sequence of which only the moments are at hand.

        Args:
            moments: of all tokens of the sequence.
            x: ``(B, t, D)``.

        Returns:
            q, k, v and what these tokens receive, each ``(B, H, t, d)``.
        """
        gains, attention = head_statistics(moments, self.qkv.weight, self.weight, self.bias, self.num_heads, self.eps)
        offsets = (x.double() - moments.mean[:, None]).to(gains)
        with no_autocast(x):
            channels = (offsets @ self.qkv.weight.mT.to(gains)).unflatten(-1, (3, -1)) * gains[:, None] + self.bias
            q, k, v = (split_heads(t, self.num_heads) for t in channels.unbind(2))
            q, k, v, received = (t.to(x.dtype) for t in (q, k, v, q @ attention))
        return q, k, v, received

    def project(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the tokens, normalised along the sequence.

        Args:
            x: ``(B, T, D)``.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            q, k and v, each ``(B, H, T, d)``; zero at padding.
        """
        offsets = (x - near_mean(x, mask)).to(x.dtype)  # a constant has no influence, but its projection costs digits
        channels = self.qkv(blank_padding(offsets, mask))
        channels = sequence_norm(channels, self.weight.flatten(), self.bias.flatten(), mask, self.eps)
        q, k, v = (split_heads(t, self.num_heads) for t in channels.chunk(3, dim=-1))
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(1/n) q k^T v``.

        Args:
            q: queries ``(B, H, T, d)``.
            k: keys ``(B, H, T, d)``, zero at padding.
            v: values ``(B, H, T, d)``, zero at padding.
            mask: valid tokens ``(B, T)`` bool; None when all are.

        Returns:
            ``(B, H, T, d)``; zero for a sample without a valid token.
        """
        return mean_bilinear_attention(q, k, v, mask)
