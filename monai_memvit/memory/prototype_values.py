"""Values of prototypes: averages over all facts, weighted by similarity (MoViT, eq. (4))."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import directions, row_blocks

__all__ = ["average_values"]


@torch.no_grad()
def average_values(
    features: Tensor, values: Tensor, rows: Tensor, tau: float, assigned_only: bool = False
) -> tuple[Tensor, Tensor]:
    """One application of eq. (4): softmax over all facts of cosine / tau, in float64 and blocks of bounded memory.

    Args:
        features: ``(M, d)``, in which similarity is measured: the values themselves, as printed, or the keys.
        values: ``(M, d)``.
        rows: ``(P,)``, the chosen facts.
        tau: temperature.
        assigned_only: average over those facts only whose most similar prototype is this one. A chosen fact always
            belongs to its own prototype.

    Returns:
        values ``(P, d)`` of the dtype of ``values``, and effective sample sizes ``(P,)`` float32,
        ``(sum w)^2 / sum w^2``, from 1 (one fact) to M (a plain mean).
    """
    units = directions(features)
    anchors = units[rows]
    # A chosen fact is among the facts, so its similarity to itself is the greatest: subtracted, no sum can vanish.
    greatest = anchors.square().sum(1)
    owner = torch.full((len(units),), -1, dtype=torch.int64, device=units.device)
    owner[rows] = torch.arange(len(rows), device=rows.device)
    sums = torch.zeros(len(rows), values.shape[1], dtype=units.dtype, device=units.device)
    weight, squares = torch.zeros_like(greatest), torch.zeros_like(greatest)
    for block in row_blocks(len(units), len(rows)):
        similarity = units[block] @ anchors.T
        weights = ((similarity - greatest).clamp(max=0) / tau).exp_()
        if assigned_only:
            weights *= _assignment(similarity, owner[block])
        sums += weights.T @ values[block].to(sums.dtype)
        weight += weights.sum(0)
        squares += weights.square_().sum(0)
    return (sums / weight[:, None]).to(values.dtype), (weight.square() / squares).float()


def _assignment(similarity: Tensor, owner: Tensor) -> Tensor:
    """One-hot ``(M, P)``: the most similar prototype, or the one that was made of this very fact."""
    nearest = torch.where(owner >= 0, owner, similarity.argmax(1))
    return torch.zeros_like(similarity).scatter_(1, nearest[:, None], 1.0)
