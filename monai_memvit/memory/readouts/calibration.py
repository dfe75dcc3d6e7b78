"""Probabilities from scores: one scale and one offset per class, those of the least log loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Calibration", "balanced_weights", "calibrate", "log_loss"]

_PENALTY = 0.02  # on squared offsets: a handful of cases must not move them far
_OF_A_GROUP = 10.0  # times this, if all cases are of one group; of ten groups the penalty is doubled
_DOUBT = 1.0  # log loss that a scale twice the usual has to save, with one group
_STEPS, _HALVINGS = 30, 20
_SILENCE = 4.0  # groups that can halve the scale; ten times as many can make it a tenth


class Calibration(NamedTuple):
    """``softmax(scale * scores + offsets)``.

    Args:
        scale: positive.
        offsets: per class ``(C,)`` float64; what the scores of a site are all too high or too low by.
        loss: weighted mean negative log probability of the true class.
    """

    scale: float
    offsets: Tensor
    loss: float

    def __call__(self, scores: Tensor) -> Tensor:
        """Probabilities.

        Args:
            scores: ``(B, C)``.

        Returns:
            ``(B, C)`` float64.
        """
        return (self.scale * scores.double() + self.offsets.to(scores.device)).softmax(-1)

    @classmethod
    def none(cls, classes: int, scale: float) -> Calibration:
        """Without offsets, where there is no case to judge by.

        Args:
            classes: C.
            scale: of the scores.
        """
        return cls(scale, torch.zeros(classes, dtype=torch.float64), float("nan"))


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights by which every class that occurs counts the same.

    Args:
        labels: ``(J,)`` int64.
        classes: C.

    Returns:
        ``(J,)`` float64, with sum 1.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    return 1 / (counts[labels] * (counts > 0).sum())


def log_loss(probabilities: Tensor, labels: Tensor, weights: Tensor) -> float:
    """Weighted mean of the negative log probability of the true class.

    Args:
        probabilities: ``(J, C)``.
        labels: ``(J,)`` int64.
        weights: ``(J,)``.
    """
    told = probabilities.gather(1, labels[:, None])[:, 0].clamp(min=1e-9)
    return float(-(weights * told.log()).sum() / weights.sum())


@torch.no_grad()
def calibrate(scores: Tensor, labels: Tensor, weights: Tensor, usual: float, groups: int) -> Calibration:
    """Minimise the log loss plus a small penalty on the offsets by Newton's method; the problem is convex.

    Cases of three patients that are each read without their own say little of a fourth: what they tell of scale and
    offsets counts the less, the fewer groups they are of. Nor can few groups silence the scores, which would leave the
    answer to the offsets: the scale stays above ``usual / (1 + groups / 4)``.

    A class that no case is of has no offset: it could only be told too rarely. Where all cases are of one class nothing
    is chosen.

    As in Platt's scaling (1999), true labels count as slightly less than certain, the more so the fewer there are:
    scores that happen to be always right would otherwise get a scale without bound.

    Args:
        scores: ``(J, C)``, finite.
        labels: ``(J,)`` int64.
        weights: ``(J,)``.
        usual: scale that is kept to where little is known.
        groups: how many patients or slides the cases are of.

    Returns:
        the best one; its loss is without the penalty.
    """
    judged = labels.unique()
    if len(judged) < 2:
        return Calibration.none(scores.shape[1], usual)
    fitted = _minimise(scores[:, judged].double(), torch.searchsorted(judged, labels), weights.double(), usual, groups)
    offsets = torch.zeros(scores.shape[1]).to(fitted.offsets)
    offsets[judged] = fitted.offsets
    return fitted._replace(offsets=offsets)


def _minimise(scores: Tensor, labels: Tensor, weights: Tensor, usual: float, groups: int) -> Calibration:
    """:func:`calibrate` for scores ``(J, C)`` float64 of classes that all have cases."""
    weights, classes = weights / weights.sum(), scores.shape[1]
    doubt = classes / (len(scores) + 2 * classes)
    truth = (1 - doubt) * torch.nn.functional.one_hot(labels, classes).double() + doubt / classes
    design = torch.cat([scores[:, :, None], torch.eye(classes).to(scores).expand(len(scores), -1, -1)], dim=2)
    offset = 2 * _PENALTY * (1 + _OF_A_GROUP / groups)
    ridge = torch.tensor([2 * _DOUBT / (groups * usual**2), *[offset] * classes]).to(scores)
    prior = torch.tensor([usual, *[0.0] * classes]).to(scores)
    parameters, flattest = prior, usual / (1 + groups / _SILENCE)

    def objective(trial: Tensor) -> Tensor:
        told = (design @ trial).log_softmax(-1)
        return -(weights * (truth * told).sum(1)).sum() + (ridge * (trial - prior) ** 2).sum() / 2

    for _ in range(_STEPS):
        told = (design @ parameters).softmax(-1)
        slope = torch.einsum("j,jc,jcp->p", weights, told - truth, design) + ridge * (parameters - prior)
        curved = torch.einsum("j,jcp,jc,jcq->pq", weights, design, told, design) + ridge.diag()
        mean = torch.einsum("jc,jcp->jp", told, design)
        curved = curved - torch.einsum("j,jp,jq->pq", weights, mean, mean)
        if parameters[0] <= flattest and slope[0] > 0:  # held there: the offsets alone move
            slope[0] = curved[0] = curved[:, 0] = 0
            curved[0, 0] = 1
        step = torch.linalg.lstsq(curved + 1e-9 * torch.eye(classes + 1).to(scores), slope[:, None]).solution[:, 0]
        new = _better(objective, parameters, step, flattest)
        if new is None:
            break
        parameters = new
    return Calibration(
        float(parameters[0]), parameters[1:], log_loss((design @ parameters).softmax(-1), labels, weights)
    )


def _better(objective: Callable[[Tensor], Tensor], parameters: Tensor, step: Tensor, flattest: float) -> Tensor | None:
    """The first of the step, its half, its quarter … that lowers the objective."""
    before = objective(parameters)
    for halving in range(_HALVINGS):
        trial = parameters - step / 2**halving
        trial[0] = trial[0].clamp(min=flattest)
        if objective(trial) < before - 1e-12:
            return trial
    return None
