"""Probabilities from scores: one temperature, chosen by the log loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Temperature", "best_temperature", "log_loss"]


class Temperature(NamedTuple):
    """The divisor of the scores, and the loss with it.

    Args:
        value: positive.
        loss: mean negative log probability of the true class.
    """

    value: float
    loss: float


def log_loss(probabilities: Tensor, labels: Tensor, weights: Tensor) -> float:
    """Weighted mean of the negative log probability of the true class.

    Args:
        probabilities: ``(J, C)``.
        labels: ``(J,)`` int64.
        weights: ``(J,)``.
    """
    told = probabilities.gather(1, labels[:, None])[:, 0].clamp(min=1e-9)
    return float(-(weights * told.log()).sum() / weights.sum())


def best_temperature(scores: Tensor, labels: Tensor, weights: Tensor, lowest: float, highest: float) -> Temperature:
    """The best of 25 temperatures, evenly spaced in their logarithm.

    Args:
        scores: ``(J, C)``.
        labels: ``(J,)`` int64.
        weights: ``(J,)``.
        lowest: of the temperatures.
        highest: of them.
    """
    grid = torch.logspace(*torch.tensor([lowest, highest]).log10().tolist(), 25).tolist()
    tried = (Temperature(t, log_loss((scores / t).softmax(-1), labels, weights)) for t in grid)
    return min(tried, key=lambda temperature: temperature.loss)
