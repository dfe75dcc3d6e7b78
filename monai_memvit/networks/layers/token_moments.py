"""Count, mean and co-moment of tokens: all that sequence-normalised attention needs to know of a sequence."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from .padding import count_tokens, near_mean
from .precision import no_autocast
from .rank_parts import gather_ranks
from .token_passes import offset_gram

__all__ = ["TokenMoments"]


class TokenMoments(NamedTuple):
    """Moments of the tokens of each sample; parts of a sequence merge to the moments of the whole.

    Co-moments are sums about the mean of the part, never raw ones: raw moments lose three to four digits in float32
    where the mean exceeds the standard deviation a hundred times. Means are kept in float64.

    Args:
        count: number of valid tokens, ``(B,)`` float64.
        mean: ``(B, D)`` float64; zero without a token.
        comoment: sum of ``(x - mean)(x - mean)^T``, ``(B, D, D)`` float32, of float64 tokens float64.
    """

    count: Tensor
    mean: Tensor
    comoment: Tensor

    @classmethod
    def from_tokens(cls, x: Tensor, mask: Tensor | None = None) -> TokenMoments:
        """Moments of tokens at hand.

        Args:
            x: tokens ``(B, T, D)``, of any floating dtype and layout.
            mask: valid tokens ``(B, T)`` bool; None when all are. What padding holds is irrelevant.

        Returns:
            the moments.

        Raises:
            ValueError: when ``x`` is not ``(B, T, D)`` or the mask does not fit.
        """
        if x.ndim != 3 or not x.is_floating_point():
            raise ValueError(f"tokens must be floating point (B, T, D), got {x.dtype} {tuple(x.shape)}.")
        reference = near_mean(x, mask)
        total, gram = offset_gram(x, reference, mask)
        count = count_tokens(x, mask).double()
        residual = total / count.clamp(min=1).to(total)[:, None]
        spread = residual * count.sqrt().to(total)[:, None]
        with no_autocast(x):
            comoment = torch.baddbmm(gram, spread[:, :, None], spread[:, None], alpha=-1)
        return cls(count, reference[:, 0].double() + residual.double(), comoment)

    @classmethod
    def from_parts(cls, parts: Iterable[TokenMoments]) -> TokenMoments:
        """Moments of a sequence from those of its parts, merged from the first to the last.

        Args:
            parts: moments of the parts, at least one.

        Returns:
            moments of all.
        """
        return reduce(cls.merge, parts)

    @property
    def covariance(self) -> Tensor:
        """Biased covariance of the channels, ``(B, D, D)``; zero without a token."""
        return self.comoment / self.count.clamp(min=1).to(self.comoment)[:, None, None]

    def merge(self, other: TokenMoments) -> TokenMoments:
        """Moments of two parts together, by the update of Chan, Golub and LeVeque.

        Args:
            other: moments of the other part, of the same samples.

        Returns:
            moments of both.
        """
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        apart = other.mean - self.mean
        spread = (apart * (self.count * share).sqrt()[:, None]).to(self.comoment)
        with no_autocast(spread):
            comoment = torch.baddbmm(self.comoment + other.comoment, spread[:, :, None], spread[:, None])
        return TokenMoments(count, self.mean + apart * share[:, None], comoment)

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> TokenMoments:
        """Moments over all ranks, merged in their order and so equal on each; gradients flow back to every rank.

        Args:
            group: the ranks that share the sequences; None for all.

        Returns:
            moments of the whole sequences.
        """
        parts = zip(*(gather_ranks(t, group) for t in self))
        return TokenMoments.from_parts(TokenMoments(*part) for part in parts)
