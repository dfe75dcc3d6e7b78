"""A softmax-weighted mean of tokens, whose parts merge to that of the whole sequence."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from .padding import blank_padding
from .precision import no_autocast, wide
from .rank_parts import gather_ranks

__all__ = ["WeightedMean"]


class WeightedMean(NamedTuple):
    """Sums of tokens with weights ``exp(score - peak)``; with equal scores their quotient is the plain mean.

    Args:
        peak: largest score, ``(B,)`` without a gradient: it cancels; the least number there is without a token.
        weight: sum of the weights, ``(B,)``; at least 1, or 0 without a token.
        total: sum of the weighted tokens, ``(B, D)``.
    """

    peak: Tensor
    weight: Tensor
    total: Tensor

    @classmethod
    def from_tokens(cls, x: Tensor, scores: Tensor | None = None, mask: Tensor | None = None) -> WeightedMean:
        """Sums over tokens at hand.

        Args:
            x: tokens ``(B, T, D)``.
            scores: ``(B, T)``; None when all count the same.
            mask: valid tokens ``(B, T)`` bool; None when all are. What padding holds is irrelevant.

        Returns:
            the sums, in float32 at least.
        """
        scores = wide(x.new_zeros(x.shape[:2]) if scores is None else scores)
        lowest = torch.finfo(scores.dtype).min
        if mask is not None:
            scores = torch.where(mask, scores, lowest)
        peak = F.pad(scores.detach(), (0, 1), value=lowest).amax(1)
        weights = (scores - peak[:, None]).exp()
        if mask is not None:
            weights = torch.where(mask, weights, 0)
        with no_autocast(x):
            total = torch.bmm(weights[:, None], wide(blank_padding(x, mask)))[:, 0]
        return cls(peak, weights.sum(1), total)

    @property
    def mean(self) -> Tensor:
        """The weighted mean, ``(B, D)``; zero without a token."""
        return self.total / self.weight.clamp(min=1)[:, None]

    def merge(self, other: WeightedMean) -> WeightedMean:
        """Sums of two parts together.

        Args:
            other: of the other part, of the same samples.

        Returns:
            sums of both.
        """
        peak = torch.maximum(self.peak, other.peak)
        mine, theirs = ((part.peak - peak).exp() for part in (self, other))
        total = self.total * mine[:, None] + other.total * theirs[:, None]
        return WeightedMean(peak, self.weight * mine + other.weight * theirs, total)

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> WeightedMean:
        """Sums over all ranks, merged in their order and so equal on each; gradients flow back to every rank.

        Args:
            group: the ranks that share the sequences; None for all.

        Returns:
            sums of the whole sequences.
        """
        first, *others = (WeightedMean(*part) for part in zip(*(gather_ranks(t, group) for t in self)))
        for part in others:
            first = first.merge(part)
        return first
