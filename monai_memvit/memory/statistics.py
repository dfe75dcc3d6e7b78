"""Numbers that say whether a memory is of use: purity of what is retrieved, effective number of facts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["chance_purity", "class_purity", "effective_number", "labels_of"]


def labels_of(ids: Tensor, labels: Mapping[int, int]) -> Tensor:
    """Class of every id.

    Args:
        ids: opaque sample ids, any shape, int64.
        labels: class of each known id.

    Returns:
        classes in the shape of ``ids``; -1 where the class is unknown.
    """
    flat = [labels.get(i, -1) for i in ids.flatten().tolist()]
    return torch.tensor(flat, device=ids.device).view(ids.shape)


def class_purity(retrieved: Tensor, own: Tensor) -> Tensor:
    """Share of the retrieved cases that are of the sample's own class.

    Args:
        retrieved: classes of the retrieved cases ``(B, ..., K)``.
        own: classes of the samples ``(B,)``.

    Returns:
        ``(B,)`` in [0, 1].
    """
    same = retrieved == own.view(-1, *[1] * (retrieved.ndim - 1))
    return same.flatten(1).float().mean(1)


def chance_purity(stored: Tensor, own: Tensor) -> Tensor:
    """The purity that blind drawing from the memory would give.

    Args:
        stored: classes of all stored cases, any shape.
        own: classes of the samples ``(B,)``.

    Returns:
        ``(B,)`` in [0, 1].
    """
    return (stored.flatten()[None] == own[:, None]).float().mean(1)


def effective_number(weights: Tensor) -> Tensor:
    """``exp(entropy)``: among how many facts the weight is really shared.

    Args:
        weights: ``(..., K)``, non-negative, summing to 1 over K.

    Returns:
        ``(...)`` between 1 and K.
    """
    return torch.special.entr(weights).sum(-1).exp()
