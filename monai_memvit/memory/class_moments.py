"""Per class the number, sum and products of features: all that a linear head needs of the cases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["ClassMoments"]

_ROWS = 65_536  # cases at a time: float64 copies of a million of them would not fit


class ClassMoments:
    """``S_c = sum of f f^T`` over the cases of class c, with ``f = [features, 1]``, in float64.

    A case is added or taken away by one rank-one term, exactly but for the rounding of float64; moments made of the
    rows anew have no trace of what was taken away, to the last bit.

    Args:
        gram: ``(K, F + 1, F + 1)`` float64, symmetric.
    """

    def __init__(self, gram: Tensor) -> None:
        self.gram = gram

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes: int) -> ClassMoments:
        """Of all cases at once.

        Args:
            features: ``(M, F)``.
            labels: ``(M,)`` int64; cases of -1 count nowhere.
            classes: K.
        """
        width = features.shape[1] + 1
        moments = cls(torch.zeros(classes, width, width, dtype=torch.float64, device=features.device))
        moments.add(features, labels)
        return moments

    @property
    def counts(self) -> Tensor:
        """Cases per class ``(K,)`` float64."""
        return self.gram[:, -1, -1]

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Take in cases.

        Args:
            features: ``(M, F)``.
            labels: ``(M,)`` int64 below K; cases of -1 count nowhere.
        """
        self._accumulate(features, labels, 1.0)

    def subtract(self, features: Tensor, labels: Tensor) -> None:
        """Take away cases that were added.

        Args:
            features: ``(M, F)``.
            labels: ``(M,)`` int64.
        """
        self._accumulate(features, labels, -1.0)

    def moved(self, places: Sequence[int], classes: int) -> ClassMoments:
        """The same with the classes in another order.

        Args:
            places: of each class in that order; -1 leaves one out.
            classes: how many there are then; those that no class moves to have no case.
        """
        gram = self.gram.new_zeros(classes, *self.gram.shape[1:])
        for old, new in enumerate(places):
            if new >= 0:
                gram[new] = self.gram[old]
        return ClassMoments(gram)

    def class_weights(self, balanced: bool) -> Tensor:
        """Weight of a case of each class.

        Args:
            balanced: every class that has cases weighs the same; else every case.

        Returns:
            ``(K,)`` float64; the weights of all cases sum to their number.
        """
        present = self.counts.round() > 0
        if not balanced:
            return present.double()
        share = self.counts.sum() / present.sum().clamp(min=1)
        return torch.where(present, share / self.counts.clamp(min=1), torch.zeros_like(self.counts))

    def _accumulate(self, features: Tensor, labels: Tensor, sign: float) -> None:
        for label in labels[labels >= 0].unique().tolist():
            of_class = (labels == label).nonzero()[:, 0]
            for rows in of_class.split(_ROWS):
                part = augmented(features[rows])
                self.gram[label].addmm_(part.T, part, alpha=sign)


def augmented(features: Tensor) -> Tensor:
    """``[features, 1]`` in float64.

    Args:
        features: ``(M, F)``.

    Returns:
        ``(M, F + 1)``.
    """
    return torch.cat([features.double(), features.new_ones(len(features), 1, dtype=torch.float64)], dim=1)
