"""By what a token finds facts, and what they weigh: its query's logits, or the likeness of its key."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.layers import attend_facts, no_autocast

__all__ = ["CosineRetrieval", "FactRetrieval", "LogitRetrieval"]

_SHORTEST = 1e-12  # of a key, as the search has it: a key of zeros is like none


class FactRetrieval(ABC):
    """How tokens consult a memory; without state, so that one object may serve many layers."""

    cosine: bool
    """Whether the search compares directions only (see :meth:`MemoryBank.find`)."""

    @abstractmethod
    def asking(self, queries: Tensor, keys: Tensor) -> Tensor:
        """What searches the memory.

        Args:
            queries: of the tokens, any shape.
            keys: of the same tokens, in the same shape.

        Returns:
            one of the two.
        """

    @abstractmethod
    def logits(self, scores: Tensor, width: int) -> Tensor:
        """What the softmax over the found facts is taken of.

        Args:
            scores: of the search, ``(..., K)``, -inf where nothing was found.
            width: d, the width of a head.

        Returns:
            ``(..., K)``.
        """

    @abstractmethod
    def confidence(self, scores: Tensor, width: int) -> Tensor:
        """How well the search went, without gradient.

        Args:
            scores: of the search, ``(..., K)``, descending, -inf where nothing was found.
            width: d, the width of a head.

        Returns:
            ``(...)`` float32; 0 where nothing was found at all.
        """

    @abstractmethod
    def read(self, asking: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Softmax attention to the found facts; keys and values are constants, the gradient reaches what asks.

        Args:
            asking: ``(B, H, Q, d)``, see :meth:`asking`.
            keys: ``(B, H, Q, K, d)``, zero where masked out.
            values: ``(B, H, Q, K, d)``, zero where masked out.
            mask: which of the K facts exist, ``(B, H, Q, K)`` bool.

        Returns:
            the read-out ``(B, H, Q, d)`` and the weights ``(B, H, Q, K)``, both float32; zero without any fact.
        """


class LogitRetrieval(FactRetrieval):
    """The token's query finds facts by ``q . k`` and weighs them by ``softmax(q . k / sqrt(d))``, as MoViT does.

    Not a similarity search: in which direction a head finds its own class is a matter of its initialisation. The
    confidence is the margin of the best logit over the mean of those found.
    """

    cosine = False

    def asking(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The queries.

        Args:
            queries: of the tokens, any shape.
            keys: of the same tokens; not needed.

        Returns:
            the queries.
        """
        return queries

    def logits(self, scores: Tensor, width: int) -> Tensor:
        """``scores / sqrt(d)``.

        Args:
            scores: inner products ``(..., K)``.
            width: d.

        Returns:
            ``(..., K)``.
        """
        return scores * width**-0.5

    def confidence(self, scores: Tensor, width: int) -> Tensor:
        """The largest logit less the mean of all that were found.

        Args:
            scores: inner products ``(..., K)``, descending, -inf where nothing was found.
            width: d.

        Returns:
            ``(...)`` float32, at least 0.
        """
        found = scores > float("-inf")
        logits = self.logits(scores.masked_fill(~found, 0), width)
        return logits[..., 0] - logits.sum(-1) / found.sum(-1).clamp(min=1)

    def read(self, asking: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See :func:`monai_memvit.networks.layers.attend_facts`.

        Args:
            asking: queries ``(B, H, Q, d)``.
            keys: ``(B, H, Q, K, d)``.
            values: ``(B, H, Q, K, d)``.
            mask: ``(B, H, Q, K)`` bool.

        Returns:
            the read-out ``(B, H, Q, d)`` and the weights ``(B, H, Q, K)``.
        """
        return attend_facts(asking, keys, values, mask)


class CosineRetrieval(FactRetrieval):
    """The token's own key finds stored keys by their cosine and weighs them by ``softmax(cosine / temperature)``.

    A similarity search, for the keys of like cases point alike. Lengths have no part in it. The confidence is the
    largest cosine.

    Args:
        temperature: of the softmax; 0.1 lets a cosine that is larger by 0.1 weigh e times as much.

    Raises:
        ValueError: when the temperature is not positive.
    """

    cosine = True

    def __init__(self, temperature: float = 0.1) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        self.temperature = temperature

    def asking(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The keys.

        Args:
            queries: of the tokens; not needed.
            keys: of the same tokens, any shape.

        Returns:
            the keys.
        """
        return keys

    def logits(self, scores: Tensor, width: int) -> Tensor:
        """``cosine / temperature``.

        Args:
            scores: cosines ``(..., K)``.
            width: not needed.

        Returns:
            ``(..., K)``.
        """
        return scores / self.temperature

    def confidence(self, scores: Tensor, width: int) -> Tensor:
        """The largest cosine.

        Args:
            scores: cosines ``(..., K)``, descending, -inf where nothing was found.
            width: not needed.

        Returns:
            ``(...)`` float32 in [-1, 1].
        """
        best = scores[..., 0]
        return best.masked_fill(best == float("-inf"), 0)

    def read(self, asking: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attention by direction.

        Args:
            asking: keys of the tokens ``(B, H, Q, d)``.
            keys: of the facts ``(B, H, Q, K, d)``.
            values: ``(B, H, Q, K, d)``.
            mask: ``(B, H, Q, K)`` bool.

        Returns:
            the read-out ``(B, H, Q, d)`` and the weights ``(B, H, Q, K)``.
        """
        with no_autocast(asking):
            # Scaled by the lengths, not divided: a second copy of all gathered keys would be the largest tensor here.
            lengths = torch.linalg.vector_norm(keys.float(), dim=-1).clamp(min=_SHORTEST)
            direction = F.normalize(asking.float(), dim=-1, eps=_SHORTEST)
            return attend_facts(direction, keys, values, mask, (lengths * self.temperature).reciprocal())
