"""A linear head in closed form, with a penalty chosen by leaving out one patient after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..case_rows import CaseRows
from ..class_moments import ClassMoments, augmented
from .calibration import Calibration, balanced_weights, calibrate
from .readout import FittedReadout

__all__ = ["RidgeReadout"]

_SCALE = 3.0  # one-hot targets: scores lie about 0 and 1
_USUAL, _USUAL_LEARNED = (
    1.0,
    0.05,
)  # penalties that mostly serve; the latter, where the weights have learned the classes
_CAUTION, _CAUTION_LEARNED = (
    1.0,
    0.3,
)  # log loss that one ten times as large or small has to save, with one judged group
_TOGETHER = 4096  # cases of equally large groups that are left out at a time


class RidgeReadout:
    """Ridge regression of the classes on the features, balanced between the classes.

    ``W = (S + p t I)^-1 B``: S is the weighted sum of the cases' ``f f^T`` (``f = [features, 1]``), B its last column
    class by class (one-hot targets), t the mean variance of the features, p the penalty; the intercept has none.
    Taking in a case or taking one away changes S and B by one term each, so the head is that of a refit at once, and
    forgets as if it had never seen. Probabilities are the softmax of the calibrated scores. Penalty and calibration are
    those of the least log loss of the judged cases, each scored without its own group (in closed form, with the
    classes' weights as they are). The fewer groups judge, the less the choice departs from a usual penalty: weak where
    the weights have learned the classes, and their features tell them apart (the rule and its numbers were found on
    training patients; see docs/results/memory.md).

    Args:
        penalties: to choose from.
        balanced: whether every class weighs the same; else every case.

    Raises:
        ValueError: when there is no penalty, or one is not positive.
    """

    def __init__(
        self, penalties: Sequence[float] = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100), balanced: bool = True
    ) -> None:
        if not penalties or min(penalties) <= 0:
            raise ValueError(f"penalties must be positive, got {penalties!r}.")
        self.penalties = tuple(penalties)
        self.balanced = balanced

    @torch.no_grad()
    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """See :class:`Readout`.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows ``(J,)``; without any, the middle penalty is taken.
        """
        weights = moments.class_weights(self.balanced)
        heads = [_head(moments, weights, penalty) for penalty in self.penalties]
        if not len(judged):
            head, calibration = heads[len(heads) // 2], Calibration.none(len(weights), _SCALE)
            scores = weights.new_empty(0, len(weights))
        else:
            labels = cases.labels[judged]
            groups, importance = _groups(weights, cases, judged), balanced_weights(labels, len(weights))
            left_out = [_left_out(head, groups, len(judged)) for head in heads]
            count = len(cases.groups[judged].unique())
            found = [calibrate(scores, labels, importance, _SCALE, count) for scores in left_out]
            doubts = _doubts(self.penalties, float(cases.learned.double().mean()), count)
            best = min(range(len(found)), key=lambda i: found[i].loss + doubts[i])
            head, calibration, scores = heads[best], found[best], left_out[best]

        def read(features: Tensor, logits: Tensor) -> Tensor:
            return calibration(augmented(features) @ head.weight)

        choices = {"penalty": head.penalty, "scale": calibration.scale, "log_loss": calibration.loss}
        return FittedReadout(read, calibration(scores), choices)


def _doubts(penalties: Sequence[float], learned: float, groups: int) -> list[float]:
    """How much log loss each penalty has to save against the usual one.

    Args:
        penalties: to choose from.
        learned: share of the cases that the weights have learned, and that cannot judge.
        groups: that judge.
    """
    usual, caution = (_USUAL_LEARNED, _CAUTION_LEARNED * learned) if learned else (_USUAL, _CAUTION)
    return [caution / groups * math.log10(penalty / usual) ** 2 for penalty in penalties]


class _Head(NamedTuple):
    weight: Tensor  # (F + 1, K)
    inverse: Tensor  # (S + p t I)^-1
    penalty: float


def _head(moments: ClassMoments, weights: Tensor, penalty: float) -> _Head:
    gram = torch.einsum("c,cij->ij", weights, moments.gram)
    targets = (weights[:, None] * moments.gram[:, -1]).T
    count = gram[-1, -1]
    mean = gram[-1, :-1] / count
    variance = (gram.diagonal()[:-1] / count - mean**2).mean().clamp(min=torch.finfo(torch.float64).tiny)
    added = torch.full_like(gram.diagonal(), float(penalty * variance * count))
    added[-1] = 1e-9 * variance * count  # keeps a matrix without any case of use from being singular
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + added.diag()))
    return _Head(inverse @ targets, inverse, penalty)


class _Groups(NamedTuple):
    """Patients or slides with equally many cases, of whom there are judged ones."""

    features: Tensor  # (G, n, F + 1)
    weighted: Tensor
    truth: Tensor  # (G, n, K), one-hot
    places: Tensor  # (G, n) of the cases among the judged; -1 where a case is not


def _groups(weights: Tensor, cases: CaseRows, judged: Tensor) -> list[_Groups]:
    rows = torch.isin(cases.groups, cases.groups[judged]).nonzero()[:, 0]
    rows = rows[cases.groups[rows].argsort(stable=True)]
    sizes = cases.groups[rows].unique_consecutive(return_counts=True)[1]
    first = sizes.cumsum(0) - sizes
    places = torch.full_like(cases.groups, -1)
    places[judged] = torch.arange(len(judged), device=places.device)
    found = []
    for size in sizes.unique().tolist():
        alike = rows[first[sizes == size, None] + torch.arange(size, device=rows.device)]
        for part in alike.split(max(1, _TOGETHER // size)):
            features = augmented(cases.features[part].flatten(0, 1)).unflatten(0, part.shape)
            labels = cases.labels[part]
            truth = one_hot(labels, len(weights)).double()
            found.append(_Groups(features, features * weights[labels][..., None], truth, places[part]))
    return found


def _left_out(head: _Head, groups: list[_Groups], count: int) -> Tensor:
    """Scores of the judged cases by heads that have not seen their groups.

    With X a group, V its weights and ``A^-1`` the inverse of all, the inverse without it is ``A^-1 + A^-1 X^T (V^-1 -
    X A^-1 X^T)^-1 X A^-1`` (Woodbury), so that its scores are ``Y - (I - X A^-1 X^T V)^-1 (Y - X W)``; where the group
    is larger than a case has features, the smaller system of the features is solved.
    """
    scores = head.weight.new_empty(count, head.weight.shape[1])
    for group in groups:
        seen, size = group.features @ head.inverse, group.features.shape[1:]
        if size[0] < size[1]:
            rest = torch.eye(size[0]).to(seen) - seen @ group.weighted.mT
            told = group.truth - torch.linalg.solve(rest, group.truth - group.features @ head.weight)
        else:
            rest = torch.eye(size[1]).to(seen) - seen.mT @ group.weighted
            others = head.weight - head.inverse @ (group.weighted.mT @ group.truth)
            told = group.features @ torch.linalg.solve(rest, others)
        wanted = group.places >= 0
        scores[group.places[wanted]] = told[wanted]
    return scores
